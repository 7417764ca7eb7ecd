//! Base64 as Go decodes it into `[]byte`: line breaks are skipped, stray bits at the end ignored, errors name the byte.

use base64::alphabet::STANDARD;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use base64::{DecodeError, DecodeSliceError, Engine as _};

const ENGINE: GeneralPurpose =
    GeneralPurpose::new(&STANDARD, GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true));

/// How much is decoded at once: a multiple of four characters decodes on its own, so that no buffer of the whole size is needed.
const CHUNK: usize = 1024;

/// `Ok(None)` when the text is canonical, `Ok(Some)` with what it is rewritten to.
pub(super) fn canonical(text: &str) -> Result<Option<String>, String> {
    if text.bytes().any(|b| b == b'\n' || b == b'\r') {
        let clean: String = text.chars().filter(|c| *c != '\n' && *c != '\r').collect();
        return Ok(Some(canonical(&clean)?.unwrap_or(clean)));
    }
    let mut scratch = [0u8; CHUNK];
    let mut at = 0;
    for chunk in text.as_bytes().chunks(CHUNK) {
        let is_last = at + chunk.len() == text.len();
        let decoded = ENGINE.decode_slice(chunk, &mut scratch);
        let wrong = match &decoded {
            // Padding inside: what follows it is illegal.
            Ok(length) if !is_last && *length < chunk.len() / 4 * 3 => Some(chunk.len()),
            Ok(_) => None,
            Err(DecodeSliceError::DecodeError(error)) => Some(position(error, chunk)),
            Err(DecodeSliceError::OutputSliceTooSmall) => Some(0),
        };
        if let Some(wrong) = wrong {
            return Err(format!("illegal base64 data at input byte {}", at + wrong));
        }
        at += chunk.len();
    }
    let (head, tail) = text.split_at(text.len().saturating_sub(4));
    let rewritten = ENGINE.decode(tail).map(|bytes| ENGINE.encode(bytes)).unwrap_or_default();
    Ok((rewritten != tail).then(|| format!("{head}{rewritten}")))
}

/// Which byte Go would name.
fn position(error: &DecodeError, chunk: &[u8]) -> usize {
    let quantum = chunk.len() / 4 * 4;
    match (error, chunk.iter().position(|b| *b == b'=')) {
        (DecodeError::InvalidByte(at, byte), _) if *byte != b'=' => *at,
        // Padding where a third character may be missing: the byte that should have been padding too.
        (_, Some(equals)) if equals % 4 == 2 => {
            if chunk.get(equals + 1) == Some(&b'=') {
                equals + 2
            } else {
                equals + 1
            }
        }
        (_, Some(equals)) if equals % 4 == 3 => equals + 1,
        (_, Some(equals)) => equals,
        _ => quantum,
    }
}
