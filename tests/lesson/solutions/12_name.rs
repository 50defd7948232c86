fn queue_name(typed: &[u8]) -> Result<CString, &'static str> {
    let rest = typed.strip_prefix(b"/").ok_or(NO_SLASH)?;
    match rest.len() {
        0 => return Err(EMPTY),
        256.. => return Err(LONG),
        _ if rest.contains(&b'/') => return Err(SLASH),
        _ => {}
    }
    // It allocates, to append the NUL that C needs.
    CString::new(typed).map_err(|_| NUL)
}
