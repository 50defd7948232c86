// trap: the lower half first
// says: the upper half of a byte comes first
fn answer(message: &[u8]) -> [u8; 32] {
    let digest = Md5::digest(message);
    std::array::from_fn(|i| {
        b"0123456789abcdef"
            [usize::from(if i % 2 == 0 { digest[i / 2] & 15 } else { digest[i / 2] >> 4 })]
    })
}
// trap: upper-case digits
// says: the digits are lower-case
fn answer(message: &[u8]) -> [u8; 32] {
    let digest = Md5::digest(message);
    std::array::from_fn(|i| {
        b"0123456789ABCDEF"
            [usize::from(if i % 2 == 0 { digest[i / 2] >> 4 } else { digest[i / 2] & 15 })]
    })
}
// trap: a digit is lost where the upper half is 0
// says: index out of bounds
fn answer(message: &[u8]) -> [u8; 32] {
    let text: String = Md5::digest(message).iter().map(|byte| format!("{byte:x}")).collect();
    let text = text.into_bytes();
    std::array::from_fn(|i| text[i])
}
// trap: a string on the heap that is kept
// says: the heap has grown by
fn answer(message: &[u8]) -> [u8; 32] {
    let text: String = Md5::digest(message).iter().map(|byte| format!("{byte:02x}")).collect();
    text.leak().as_bytes().try_into().unwrap()
}
