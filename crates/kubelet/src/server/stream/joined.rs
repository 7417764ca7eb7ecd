//! Joining a process to a client: input in, output out, and at the end how it ended.

use super::{Output, PIECE_BYTES, Remote, exit_status, failure, success};
use bytes::Bytes;
use runtime::service::{BoxRead, BoxWrite, ContainerIo};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;

/// Whose end is told to the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::server) enum Ending {
    /// The command's exit code: exec.
    ExitCode,
    /// Only that it ended: attach.
    Plain,
}

/// Runs until the process has ended and all its output is sent, or the client is gone.
pub(in crate::server) async fn join(remote: Remote, io: ContainerIo, ending: Ending) {
    let Remote { stdin, mut resize, output } = remote;
    let feed = async {
        match io.stdin {
            Some(process) => feed(stdin, process).await,
            None => drop(stdin),
        }
        // The end of input ends nothing else.
        std::future::pending::<()>().await;
    };
    let sizes = async {
        while let Some(size) = resize.recv().await {
            (io.resize)(size);
        }
        std::future::pending::<()>().await;
    };
    let work = async {
        let out = copy(io.stdout, &output, Output::Stdout);
        let err = copy(io.stderr, &output, Output::Stderr);
        let ((), (), exit) = tokio::join!(out, err, io.exit);
        let status = match (exit, ending) {
            (Ok(outcome), Ending::ExitCode) => exit_status(outcome.exit_code),
            (Ok(_), Ending::Plain) => success(),
            (Err(error), _) => failure(&error.to_string()),
        };
        // A client that is gone needs no status.
        let _ = output.send(Output::Status(status)).await;
    };
    tokio::select! {
        () = work => {}
        () = output.closed() => {}
        () = feed => {}
        () = sizes => {}
    }
}

async fn feed(mut from: mpsc::Receiver<Bytes>, mut process: BoxWrite) {
    while let Some(bytes) = from.recv().await {
        if process.write_all(&bytes).await.is_err() || process.flush().await.is_err() {
            return; // the process reads no more; what follows is thrown away with the receiver
        }
    }
    // The process may be gone already: then nobody misses the end.
    let _ = process.shutdown().await;
}

async fn copy(from: Option<BoxRead>, to: &mpsc::Sender<Output>, wrap: fn(Bytes) -> Output) {
    let Some(mut from) = from else { return };
    let mut buffer = vec![0; PIECE_BYTES];
    loop {
        match from.read(&mut buffer).await {
            // A terminal whose last user is gone reports an error in place of an end.
            Ok(0) | Err(_) => return,
            Ok(length) => {
                if to.send(wrap(Bytes::copy_from_slice(&buffer[..length]))).await.is_err() {
                    return;
                }
            }
        }
    }
}
