fn talk(mqd: c_int, iterations: u64) -> bool {
    let mut own = hex(&receive(mqd)); // the first message needs no check
    for _ in 1..iterations {
        send(mqd, &own);
        let expected = hex(&own); // while premise works
        loop {
            let message = receive(mqd);
            if message == expected {
                break;
            }
            if message != own {
                return false; // corrupted
            }
            send(mqd, &own); // premise has not taken it yet
            std::thread::yield_now();
        }
        own = hex(&expected);
    }
    send(mqd, &own);
    true
}
