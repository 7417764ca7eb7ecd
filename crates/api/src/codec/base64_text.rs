//! Base64 as Go decodes it into `[]byte`: line breaks are skipped, errors name the byte.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use base64::{DecodeError, DecodeSliceError};

/// `Ok(None)` when the text is canonical, `Ok(Some)` with what it is rewritten to.
pub(super) fn canonical(text: &str) -> Result<Option<String>, String> {
    let illegal = |at: usize| format!("illegal base64 data at input byte {at}");
    if text.bytes().any(|b| b == b'\n' || b == b'\r') {
        let clean: String = text.chars().filter(|c| *c != '\n' && *c != '\r').collect();
        return STANDARD.decode(&clean).map(|_| Some(clean)).map_err(|error| illegal(position(&error, text)));
    }
    let mut scratch = [0u8; 1024];
    // A multiple of four characters decodes on its own, so that no buffer of the whole size is needed.
    let mut at = 0;
    for chunk in text.as_bytes().chunks(1024) {
        match STANDARD.decode_slice(chunk, &mut scratch) {
            Ok(length) if at + chunk.len() < text.len() && length < chunk.len() / 4 * 3 => {
                // Padding inside: what follows it is the illegal byte.
                let equals = chunk.iter().position(|b| *b == b'=').unwrap_or(0);
                return Err(illegal(at + equals + 1));
            }
            Ok(_) => at += chunk.len(),
            Err(DecodeSliceError::DecodeError(error)) => return Err(illegal(at + position(&error, text))),
            Err(DecodeSliceError::OutputSliceTooSmall) => return Err(illegal(at)),
        }
    }
    Ok(None)
}

fn position(error: &DecodeError, text: &str) -> usize {
    match error {
        DecodeError::InvalidByte(at, _) | DecodeError::InvalidLastSymbol { offset: at, .. } => *at,
        // Go names the byte after the last whole group.
        DecodeError::InvalidLength(length) => length / 4 * 4,
        DecodeError::InvalidPadding => text.find('=').unwrap_or(text.len()),
    }
}
