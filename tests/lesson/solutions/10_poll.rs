fn wait(mqd: c_int, pipe: c_int, milliseconds: c_int) -> Result<Ready, c_int> {
    let mut fds = [mqd, pipe].map(|fd| libc::pollfd { fd, events: libc::POLLIN, revents: 0 });
    // SAFETY: `fds` is given with its length, and its `revents` are written.
    if unsafe { libc::poll(fds.as_mut_ptr(), fds.len() as libc::nfds_t, milliseconds) } == -1 {
        return Err(errno());
    }
    let has = |i: usize, bit| fds[i].revents & bit != 0;
    if has(0, libc::POLLNVAL) || has(1, libc::POLLNVAL) {
        return Err(libc::EBADF); // to poll, this is an event and no failure
    }
    Ok(Ready {
        message: has(0, libc::POLLIN),
        bytes: has(1, libc::POLLIN),
        end: has(1, libc::POLLHUP),
    })
}
