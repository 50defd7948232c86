fn install(signal: c_int) {
    // SAFETY: a sigaction is integers and an Option, None if zero. The handler stores a bool and does nothing else.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = stop as extern "C" fn(c_int) as libc::sighandler_t;
        action.sa_flags = 0; // no SA_RESTART
        libc::sigaction(signal, &raw const action, std::ptr::null_mut());
    }
}

fn receive_or_stop(mqd: c_int) -> Option<Vec<u8>> {
    // A signal between the look and the call would be missed until the next one. The programs of this
    // project have a timer for that: src/chat/wait.rs.
    while !STOP.load(SeqCst) {
        match receive(mqd) {
            Ok(message) => return Some(message),
            Err(libc::EINTR) => {} // look at STOP
            Err(number) => panic!("errno {number}"),
        }
    }
    None
}
