// trap: its own hello
// says: its own message is no reply
struct Dialogue {
    own: Vec<u8>,
    /// What the peer must answer; None if any message is right.
    expected: Option<Vec<u8>>,
}

impl Dialogue {
    fn premise(first: &[u8]) -> Dialogue {
        Dialogue { own: first.to_vec(), expected: Some(hex(first)) }
    }

    fn conclusion() -> Dialogue {
        Dialogue { own: Vec::new(), expected: None }
    }

    fn receive(&mut self, message: &[u8]) -> Received {
        match &self.expected {
            Some(expected) if expected == message => {}
            Some(_) if self.own == message => {}
            Some(_) => return Received::Corrupted,
            None => {}
        }
        self.own = hex(message);
        self.expected = Some(hex(&self.own)); // before the peer answers: there is time for it
        Received::Reply
    }
}
// trap: its own message is corrupted
// says: its own message is no reply: the peer has not taken it
struct Dialogue {
    own: Vec<u8>,
    /// What the peer must answer; None if any message is right.
    expected: Option<Vec<u8>>,
}

impl Dialogue {
    fn premise(first: &[u8]) -> Dialogue {
        Dialogue { own: first.to_vec(), expected: Some(hex(first)) }
    }

    fn conclusion() -> Dialogue {
        Dialogue { own: Vec::new(), expected: None }
    }

    fn receive(&mut self, message: &[u8]) -> Received {
        match &self.expected {
            Some(expected) if expected == message => {}

            Some(_) => return Received::Corrupted,
            None => {}
        }
        self.own = hex(message);
        self.expected = Some(hex(&self.own)); // before the peer answers: there is time for it
        Received::Reply
    }
}
// trap: everything is right
// says: only the md5 of its last message is the reply
struct Dialogue {
    own: Vec<u8>,
    /// What the peer must answer; None if any message is right.
    expected: Option<Vec<u8>>,
}

impl Dialogue {
    fn premise(first: &[u8]) -> Dialogue {
        Dialogue { own: first.to_vec(), expected: Some(hex(first)) }
    }

    fn conclusion() -> Dialogue {
        Dialogue { own: Vec::new(), expected: None }
    }

    fn receive(&mut self, message: &[u8]) -> Received {
        match &self.expected {
            Some(expected) if expected == message => {}
            Some(_) if self.own == message => return Received::Own,
            Some(_) => {}
            None => {}
        }
        self.own = hex(message);
        self.expected = Some(hex(&self.own)); // before the peer answers: there is time for it
        Received::Reply
    }
}
// trap: answered before it is checked
// says: a corrupted message was answered
struct Dialogue {
    own: Vec<u8>,
    /// What the peer must answer; None if any message is right.
    expected: Option<Vec<u8>>,
}

impl Dialogue {
    fn premise(first: &[u8]) -> Dialogue {
        Dialogue { own: first.to_vec(), expected: Some(hex(first)) }
    }

    fn conclusion() -> Dialogue {
        Dialogue { own: Vec::new(), expected: None }
    }

    fn receive(&mut self, message: &[u8]) -> Received {
        let before = self.own.clone();
        self.own = hex(message);
        match &self.expected {
            Some(expected) if expected == message => {}
            Some(_) if before == message => {
                self.own = before;
                return Received::Own;
            }
            Some(_) => return Received::Corrupted,
            None => {}
        }
        self.own = hex(message);
        self.expected = Some(hex(&self.own)); // before the peer answers: there is time for it
        Received::Reply
    }
}
// trap: conclusion is never content
// says: it accepts the first message, whatever it is
struct Dialogue {
    own: Vec<u8>,
    /// What the peer must answer; None if any message is right.
    expected: Option<Vec<u8>>,
}

impl Dialogue {
    fn premise(first: &[u8]) -> Dialogue {
        Dialogue { own: first.to_vec(), expected: Some(hex(first)) }
    }

    fn conclusion() -> Dialogue {
        Dialogue { own: Vec::new(), expected: Some(Vec::new()) }
    }

    fn receive(&mut self, message: &[u8]) -> Received {
        match &self.expected {
            Some(expected) if expected == message => {}
            Some(_) if self.own == message => return Received::Own,
            Some(_) => return Received::Corrupted,
            None => {}
        }
        self.own = hex(message);
        self.expected = Some(hex(&self.own)); // before the peer answers: there is time for it
        Received::Reply
    }
}
