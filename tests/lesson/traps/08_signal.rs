// trap: signal(3), which sets SA_RESTART
// says: it goes on waiting: no SA_RESTART
fn install(signal: c_int) {
    unsafe { libc::signal(signal, stop as extern "C" fn(c_int) as libc::sighandler_t) };
}
fn receive_or_stop(mqd: c_int) -> Option<Vec<u8>> {
    while !STOP.load(SeqCst) {
        if let Ok(message) = receive(mqd) {
            return Some(message);
        }
    }
    None
}
// trap: called again unseen
// says: it goes on waiting: no SA_RESTART
fn install(signal: c_int) {
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = stop as extern "C" fn(c_int) as libc::sighandler_t;
        libc::sigaction(signal, &raw const action, std::ptr::null_mut());
    }
}
fn receive_or_stop(mqd: c_int) -> Option<Vec<u8>> {
    loop {
        match receive(mqd) {
            Ok(message) => return Some(message),
            Err(libc::EINTR) => continue,
            Err(_) => return None,
        }
    }
}
// trap: no handler
// says: killed by signal 10
fn install(signal: c_int) {}
fn receive_or_stop(mqd: c_int) -> Option<Vec<u8>> {
    receive(mqd).ok()
}
// trap: STOP is never read
// says: it waits although STOP is set
fn install(signal: c_int) {
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = stop as extern "C" fn(c_int) as libc::sighandler_t;
        libc::sigaction(signal, &raw const action, std::ptr::null_mut());
    }
}
fn receive_or_stop(mqd: c_int) -> Option<Vec<u8>> {
    receive(mqd).ok()
}
