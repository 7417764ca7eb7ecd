//! SPDY carrier: a stream for each of error, stdin, stdout, stderr and resize, opened by the client.

use super::super::spdy::{Accepted, SendStream, Session};
use super::{Carrier, Output, Wanted, terminal_size};
use bytes::Bytes;
use clock::Clock;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;

/// How long the client may take to open its streams (upstream's `DefaultStreamCreationTimeout`).
const CREATION_TIMEOUT: Duration = Duration::from_secs(30);
/// How long the client's own end is waited for, so that the last bytes are not lost in a reset.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

#[derive(Default)]
struct Streams {
    error: Option<SendStream>,
    stdout: Option<SendStream>,
    stderr: Option<SendStream>,
    stdin: Option<mpsc::Receiver<Bytes>>,
    resize: Option<mpsc::Receiver<Bytes>>,
}

impl Streams {
    fn add(&mut self, accepted: Accepted) {
        let Accepted { headers, data, send } = accepted;
        match headers.get("streamtype").map(String::as_str) {
            Some("error") => self.error = Some(send),
            Some("stdout") => self.stdout = Some(send),
            Some("stderr") => self.stderr = Some(send),
            Some("stdin") => self.stdin = Some(data),
            Some("resize") => self.resize = Some(data),
            _ => {}
        }
    }

    fn complete(&self, wanted: Wanted) -> bool {
        self.error.is_some()
            && (self.stdin.is_some() || !wanted.stdin)
            && (self.stdout.is_some() || !wanted.stdout)
            && (self.stderr.is_some() || !wanted.stderr || wanted.tty)
            && (self.resize.is_some() || !wanted.tty)
    }
}

/// Carries a session until both sides are done.
pub(in crate::server) async fn serve<S>(stream: S, wanted: Wanted, carrier: Carrier, clock: &dyn Clock)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut session = Session::start(stream);
    let mut streams = Streams::default();
    let opened = clock::timeout(clock, CREATION_TIMEOUT, async {
        while !streams.complete(wanted) {
            match session.accept().await {
                Some(accepted) => streams.add(accepted),
                None => return false,
            }
        }
        true
    });
    if opened.await != Some(true) {
        return;
    }
    let Carrier { stdin, resize, mut output } = carrier;
    let input = async {
        if let (Some(mut from), Some(to)) = (streams.stdin, stdin) {
            while let Some(bytes) = from.recv().await {
                if to.send(bytes).await.is_err() {
                    // Nobody reads it any more; what comes is thrown away, so that other streams go on.
                    while from.recv().await.is_some() {}
                }
            }
        }
        std::future::pending::<()>().await;
    };
    let sizes = async {
        while let Some(bytes) = next(&mut streams.resize).await {
            if let Some(size) = terminal_size(&bytes) {
                // A full queue of sizes: the next one will do.
                let _ = resize.try_send(size);
            }
        }
        std::future::pending::<()>().await;
    };
    let write = async {
        let send = async |stream: &Option<SendStream>, data: Bytes| match stream {
            Some(stream) => stream.send(data).await,
            None => true,
        };
        while let Some(one) = output.recv().await {
            let alive = match one {
                Output::Stdout(data) => send(&streams.stdout, data).await,
                Output::Stderr(data) => send(&streams.stderr, data).await,
                Output::Status(data) => send(&streams.error, data).await,
            };
            if !alive {
                return;
            }
        }
        for stream in [&streams.stdout, &streams.stderr, &streams.error].into_iter().flatten() {
            stream.finish().await;
        }
    };
    tokio::select! {
        () = write => {}
        () = input => {}
        () = sizes => {}
        () = session.closed() => return,
    }
    session.finish(clock, CLOSE_TIMEOUT).await;
}

async fn next(from: &mut Option<mpsc::Receiver<Bytes>>) -> Option<Bytes> {
    match from {
        Some(from) => from.recv().await,
        None => None,
    }
}
