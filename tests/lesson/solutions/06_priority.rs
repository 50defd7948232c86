fn send(mqd: c_int, message: &[u8], priority: c_uint) -> Result<(), c_int> {
    // SAFETY: `message` is read, given with its length.
    match unsafe { libc::mq_send(mqd, message.as_ptr().cast(), message.len(), priority) } {
        -1 => Err(errno()),
        _ => Ok(()),
    }
}

fn receive(mqd: c_int) -> Result<(Vec<u8>, c_uint), c_int> {
    let (mut buffer, mut priority) = (vec![0_u8; 8192], 0);
    let bytes = buffer.as_mut_ptr().cast();
    // SAFETY: at most the length given is written, into `buffer`; a c_uint is written to `priority`.
    match unsafe { libc::mq_receive(mqd, bytes, buffer.len(), &raw mut priority) } {
        -1 => Err(errno()),
        length => {
            buffer.truncate(length as usize);
            Ok((buffer, priority))
        }
    }
}

fn order(sent: &[(char, c_uint)]) -> String {
    let mut sent = sent.to_vec();
    // A stable sort: it leaves equals in their order.
    sent.sort_by_key(|(_, priority)| std::cmp::Reverse(*priority));
    sent.into_iter().map(|(letter, _)| letter).collect()
}
