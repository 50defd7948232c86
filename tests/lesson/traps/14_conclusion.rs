// trap: its own message is answered
// says: message corrupted after 0 iterations
fn talk(mqd: c_int, iterations: u64) -> bool {
    send(mqd, &hex(&receive(mqd)));
    send(mqd, &hex(&receive(mqd))); // nothing was compared: this is the md5 of its own message
    true
}
// trap: upper-case digits
// says: message corrupted after 0 iterations
fn talk(mqd: c_int, iterations: u64) -> bool {
    let message = receive(mqd);
    send(mqd, &hex(&message).to_ascii_uppercase());
    true
}
// trap: the last answer is missing
// says: conclusion sent nothing new for 2 s
fn talk(mqd: c_int, iterations: u64) -> bool {
    let mut own = hex(&receive(mqd));
    for _ in 1..iterations {
        send(mqd, &own);
        loop {
            let message = receive(mqd);
            if message != own {
                own = hex(&message);
                break;
            }
            send(mqd, &own);
            std::thread::yield_now();
        }
    }
    true
}
// trap: no comparison
// says: nonsense was accepted
fn talk(mqd: c_int, iterations: u64) -> bool {
    let mut own = hex(&receive(mqd));
    for _ in 1..iterations {
        send(mqd, &own);
        loop {
            let message = receive(mqd);
            if message != own {
                own = hex(&message);
                break;
            }
            send(mqd, &own);
            std::thread::yield_now();
        }
    }
    send(mqd, &own);
    true
}
