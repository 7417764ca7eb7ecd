//! JSON with line breaks, for people: when the query asks for it, or a browser or a command-line tool of HTTP
//! (`isPrettyPrint` of `k8s.io/apiserver/pkg/endpoints/handlers/negotiation`). Watches stay one event a line.

use crate::answer::Answer;
use crate::body::Body;
use crate::request::RequestInfo;
use bytes::Bytes;
use http::{HeaderMap, header};

/// How the names of programs begin whose users read with their own eyes.
const READERS: [&str; 3] = ["curl", "Wget", "Mozilla/5.0"];

/// Whether the answer is to be read by a person. What others answer, behind a proxy, is passed on as it is.
pub fn asked(headers: &HeaderMap, info: &RequestInfo) -> bool {
    let of_api = info.is_resource_request || info.path.starts_with("/api");
    if !of_api || info.verb == "watch" || crate::pipeline::is_connection(info) {
        return false;
    }
    if let Some(value) = info.query.get("pretty").filter(|value| !value.is_empty()) {
        return matches!(value, "1" | "t" | "T" | "TRUE" | "true" | "True"); // as Go reads booleans
    }
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let parameter = |accept: &str| accept.split([';', ',']).any(|part| part.trim() == "pretty=1");
    READERS.iter().any(|name| text(header::USER_AGENT).starts_with(name)) || parameter(text(header::ACCEPT))
}

/// The answer with its JSON indented; any other as it is. Piece by piece, as they are sent, so that a list of thousands does
/// not stand in memory a second time.
pub fn print(response: Answer) -> Answer {
    let kind = response.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let size = http_body::Body::size_hint(response.body()).exact();
    if !kind.starts_with("application/json") || size.is_none() {
        return response;
    }
    let (parts, body) = response.into_parts();
    let Some(pieces) = body.into_pieces() else { return Answer::from_parts(parts, Body::empty()) };
    let mut printer = Printer { out: Vec::new(), depth: 0, place: Place::Outside, after_opening: false };
    let printed = pieces.map(move |piece| printer.write(&piece));
    Answer::from_parts(parts, Body::stream(futures::stream::iter(printed)))
}

/// Where in the text of a document one is.
#[derive(Clone, Copy)]
enum Place {
    Outside,
    String,
    /// Behind a backslash in a string.
    Escape,
}

/// Go's `json.Indent` with two spaces. It looks at the text alone, so that numbers and the order of keys stay.
struct Printer {
    out: Vec<u8>,
    depth: usize,
    place: Place,
    /// The last that was written opens an object or a list, of which nothing is known yet.
    after_opening: bool,
}

impl Printer {
    fn write(&mut self, piece: &[u8]) -> Bytes {
        self.out.reserve(piece.len() + piece.len() / 2);
        for byte in piece {
            match (self.place, byte) {
                (Place::Escape, _) => self.inside(*byte, Place::String),
                (Place::String, b'\\') => self.inside(*byte, Place::Escape),
                (Place::String, b'"') => self.inside(*byte, Place::Outside),
                (Place::String, _) => self.out.push(*byte),
                (Place::Outside, byte) => self.outside(*byte),
            }
        }
        std::mem::take(&mut self.out).into()
    }

    fn inside(&mut self, byte: u8, next: Place) {
        self.out.push(byte);
        self.place = next;
    }

    fn outside(&mut self, byte: u8) {
        match byte {
            b' ' | b'\t' | b'\r' | b'\n' => return,
            b'}' | b']' => {
                self.depth = self.depth.saturating_sub(1);
                if !std::mem::take(&mut self.after_opening) {
                    self.line();
                }
            }
            _ if std::mem::take(&mut self.after_opening) => self.line(),
            _ => {}
        }
        self.out.push(byte);
        match byte {
            b'{' | b'[' => {
                self.depth += 1;
                self.after_opening = true;
            }
            b',' => self.line(),
            b':' => self.out.push(b' '),
            b'"' => self.place = Place::String,
            _ => {}
        }
    }

    fn line(&mut self) {
        self.out.push(b'\n');
        self.out.resize(self.out.len() + 2 * self.depth, b' ');
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;
    use http_body_util::BodyExt;
    use serde_json::{Value, json};

    fn printed(pieces: Vec<Bytes>) -> String {
        let mut response = Answer::new(Body::pieces(pieces.into_iter().map(Into::into).collect()));
        response.headers_mut().insert(header::CONTENT_TYPE, http::HeaderValue::from_static("application/json"));
        let all = print(response).into_body().collect().now_or_never().unwrap().unwrap();
        String::from_utf8(all.to_bytes().into()).unwrap()
    }

    #[test]
    fn text_is_indented_as_by_go_wherever_it_was_cut() {
        let value: Value =
            json!({"a": {}, "b": [], "c": [1, -2.5e3, "x{\"\\[,:"], "d": {"e": [{"f": null}, []]}, "g": ""});
        let text = value.to_string();
        for cut in 0..=text.len() {
            let (first, second) = text.as_bytes().split_at(cut);
            let pieces = vec![Bytes::copy_from_slice(first), Bytes::copy_from_slice(second)];
            assert_eq!(printed(pieces), serde_json::to_string_pretty(&value).unwrap(), "cut at {cut}");
        }
        let spaced = serde_json::to_string_pretty(&value).unwrap() + "\n";
        assert_eq!(printed(vec![spaced.clone().into()]), spaced.trim_end());
    }

    #[test]
    fn people_are_told_from_programs() {
        let asks = |path_and_query: &str, agent: &str, accept: &str| {
            let (path, query) = path_and_query.split_once('?').unwrap_or((path_and_query, ""));
            let info = RequestInfo::new(&http::Method::GET, path, query);
            let mut headers = HeaderMap::new();
            headers.insert(header::USER_AGENT, agent.parse().unwrap());
            headers.insert(header::ACCEPT, accept.parse().unwrap());
            asked(&headers, &info)
        };
        assert!(asks("/api/v1/pods", "curl/7.88.1", "*/*"));
        assert!(asks("/apis/apps/v1", "Mozilla/5.0 (X11)", "text/html"));
        assert!(asks("/api/v1/pods?pretty=true", "kubectl/v1.36", "*/*"));
        assert!(asks("/api/v1/pods", "kubectl/v1.36", "application/json;pretty=1"));
        assert!(!asks("/api/v1/pods?pretty=false", "curl/7.88.1", "*/*"));
        assert!(!asks("/api/v1/pods", "kubectl/v1.36", "*/*"));
        assert!(!asks("/api/v1/pods?watch=1", "curl/7.88.1", "*/*"));
        assert!(!asks("/api/v1/namespaces/a/pods/b/proxy/c", "curl/7.88.1", "*/*"));
        assert!(!asks("/openapi/v2", "curl/7.88.1", "*/*"));
    }
}
