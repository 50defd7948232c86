// trap: unwrap at a NUL
// says: bad names:
fn queue_name(typed: &[u8]) -> Result<CString, &'static str> {
    let rest = typed.strip_prefix(b"/").ok_or(NO_SLASH)?;
    match rest.len() {
        0 => return Err(EMPTY),
        256.. => return Err(LONG),
        _ if rest.contains(&b'/') => return Err(SLASH),
        _ => {}
    }
    Ok(CString::new(typed).unwrap())
}
// trap: only the first byte is looked at
// says: "/" gives Ok("/"), not Err(
fn queue_name(typed: &[u8]) -> Result<CString, &'static str> {
    if typed.first() != Some(&b'/') {
        return Err(NO_SLASH);
    }
    CString::new(typed).map_err(|_| NUL)
}
// trap: cut off at the NUL, as C would
// says: gives Ok("/tea"), not Err("a queue name has no NUL byte")
fn queue_name(typed: &[u8]) -> Result<CString, &'static str> {
    let rest = typed.strip_prefix(b"/").ok_or(NO_SLASH)?;
    match rest.len() {
        0 => return Err(EMPTY),
        256.. => return Err(LONG),
        _ if rest.contains(&b'/') => return Err(SLASH),
        _ => {}
    }
    let end = typed.iter().position(|byte| *byte == 0).unwrap_or(typed.len());
    CString::new(&typed[..end]).map_err(|_| NUL)
}
