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
            Some(_) => return Received::Corrupted,
            None => {}
        }
        self.own = hex(message);
        self.expected = Some(hex(&self.own)); // before the peer answers: there is time for it
        Received::Reply
    }
}
