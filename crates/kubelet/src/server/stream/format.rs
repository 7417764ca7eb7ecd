//! How a WebSocket message says which channel it is for: its first byte, in binary (`channel.k8s.io`) or, for clients that
//! can only send texts, a digit before base64 (`base64.channel.k8s.io`).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::{BufMut, Bytes, BytesMut};
use tokio_tungstenite::tungstenite::Message;

/// The form of a session's messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::server) enum Format {
    /// Binary messages.
    Binary,
    /// Text messages.
    Base64,
}

impl Format {
    /// The form that a subprotocol asks for.
    pub(in crate::server) fn of(protocol: &str) -> Self {
        if protocol.contains("base64.") { Self::Base64 } else { Self::Binary }
    }

    /// Data for a channel; in base64 there are ten channels.
    pub(in crate::server) fn message(self, channel: u8, data: &[u8]) -> Message {
        match self {
            Self::Binary => {
                let mut bytes = BytesMut::with_capacity(data.len() + 1);
                bytes.put_u8(channel);
                bytes.extend_from_slice(data);
                Message::Binary(bytes.freeze())
            }
            Self::Base64 => {
                let mut text = String::from(char::from(b'0' + channel));
                STANDARD.encode_string(data, &mut text);
                Message::Text(text.into())
            }
        }
    }

    /// The channel and its data. `None`: nothing of the session's (a ping, rubbish).
    pub(in crate::server) fn parse(self, message: Message) -> Option<(u8, Bytes)> {
        let bytes = match message {
            Message::Binary(bytes) => bytes,
            Message::Text(text) => Bytes::from(text),
            _ => return None,
        };
        let channel = *bytes.first()?;
        match self {
            Self::Binary => Some((channel, bytes.slice(1..))),
            Self::Base64 => {
                let data = STANDARD.decode(&bytes[1..]).ok()?;
                Some((channel.checked_sub(b'0')?, data.into()))
            }
        }
    }
}
