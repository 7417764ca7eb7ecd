//! exec, attach and run: a process of a container joined to the client's streams.

use super::ContainerInstance;
use super::answer::{Answer, Refusal, refuse, text};
use super::listen::Context;
use super::route::{Query, Target};
use super::stream::{self, Carrier, Ending, Output, Remote, Wanted};
use super::upgrade::{Transport, upgrade};
use http::{Request, StatusCode};
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use k8s_openapi::api::core::v1::Pod;
use runtime::service::ExecRequest;
use std::time::Duration;

/// Subprotocols over WebSocket, best first.
const WEBSOCKET_PROTOCOLS: [&str; 3] = ["v5.channel.k8s.io", "v4.channel.k8s.io", "v4.base64.channel.k8s.io"];
/// Stream protocols over SPDY.
const SPDY_PROTOCOLS: [&str; 1] = ["v4.channel.k8s.io"];
/// How long a command of `/run` may take; its caller waits for the whole output.
const RUN_TIMEOUT: Duration = Duration::from_secs(4 * 3600);

fn wanted(query: &Query) -> Result<Wanted, Refusal> {
    let tty = query.flag("tty");
    // A terminal has one output.
    let stderr = query.flag("error") && !tty;
    let wanted = Wanted { stdin: query.flag("input"), stdout: query.flag("output"), stderr, tty };
    if wanted.stdin || wanted.stdout || wanted.stderr {
        return Ok(wanted);
    }
    Err(refuse(StatusCode::BAD_REQUEST, "you must specify at least 1 of stdin, stdout, stderr\n"))
}

/// The container, if it runs; otherwise 500 with `words`, which is what upstream's `streaming.WriteError` makes of an error
/// without a code.
fn running(context: &Context, target: &Target, words: impl FnOnce() -> String) -> Result<ContainerInstance, Refusal> {
    let found = context.access.container(&target.namespace, &target.pod, &target.container, false);
    let running = found.filter(|container| container.running);
    running.ok_or_else(|| refuse(StatusCode::INTERNAL_SERVER_ERROR, words()))
}

/// `/exec/NS/POD/CONTAINER?command=…`
pub(super) async fn exec(context: Context, target: Target, query: Query, request: Request<Incoming>) -> Answer {
    let missing = || format!("container not found ({:?})", target.container);
    let prepared = wanted(&query).and_then(|wanted| Ok((wanted, running(&context, &target, missing)?)));
    let (wanted, container) = match prepared {
        Ok(prepared) => prepared,
        Err(refusal) => return refusal.into(),
    };
    let command = query.all("command");
    if command.is_empty() {
        return text(StatusCode::BAD_REQUEST, "you must specify a command\n");
    }
    let exec =
        ExecRequest { command, stdin: wanted.stdin, stdout: wanted.stdout, stderr: wanted.stderr, tty: wanted.tty };
    let runtime = context.access.runtime();
    start(context, wanted, request, move |remote| async move {
        match runtime.exec(&container.id, exec).await {
            Ok(io) => stream::join(remote, io, Ending::ExitCode).await,
            Err(error) => {
                let words = format!("error executing command in container: {error}");
                // A client that has left needs no status.
                let _ = remote.output.send(Output::Status(stream::failure(&words))).await;
            }
        }
    })
}

/// `/attach/NS/POD/CONTAINER`
pub(super) async fn attach(
    context: Context,
    target: Target,
    pod: &Pod,
    query: Query,
    request: Request<Incoming>,
) -> Answer {
    let missing = || format!("container {} not found in pod {}_{}", target.container, target.pod, target.namespace);
    let prepared = wanted(&query).and_then(|wanted| Ok((wanted, running(&context, &target, missing)?)));
    let (wanted, container) = match prepared {
        Ok(prepared) => prepared,
        Err(refusal) => return refusal.into(),
    };
    if let Err(words) = fits(pod, &target.container, wanted) {
        return text(StatusCode::BAD_REQUEST, words);
    }
    let runtime = context.access.runtime();
    start(context, wanted, request, move |remote| async move {
        match runtime.attach(&container.id, wanted.stdin).await {
            Ok(mut io) => {
                if !wanted.stdout {
                    io.stdout = None;
                }
                if !wanted.stderr {
                    io.stderr = None;
                }
                stream::join(remote, io, Ending::Plain).await;
            }
            Err(error) => {
                let words = format!("error attaching to container: {error}");
                // A client that has left needs no status.
                let _ = remote.output.send(Output::Status(stream::failure(&words))).await;
            }
        }
    })
}

/// A terminal can only be attached to where the container has one.
fn fits(pod: &Pod, container: &str, wanted: Wanted) -> Result<(), String> {
    let spec = pod.spec.as_ref();
    let all = spec.map(|spec| spec.containers.iter().chain(spec.init_containers.iter().flatten()));
    let found = all.into_iter().flatten().find(|one| one.name == container);
    match found {
        Some(one) if wanted.tty && one.tty != Some(true) => {
            Err(format!("Unable to use a TTY - container {container} did not allocate one\n"))
        }
        // Ephemeral containers have the same members in another type; the runtime knows what they have.
        _ => Ok(()),
    }
}

/// Upgrades, and runs the session in a task of its own.
fn start<F, W>(context: Context, wanted: Wanted, request: Request<Incoming>, work: F) -> Answer
where
    F: FnOnce(Remote) -> W + Send + 'static,
    W: Future<Output = ()> + Send,
{
    let (response, transport, upgraded) = match upgrade(request, &WEBSOCKET_PROTOCOLS, &SPDY_PROTOCOLS) {
        Ok(upgraded) => upgraded,
        Err(refusal) => return refusal.into(),
    };
    let (remote, carrier) = stream::pair();
    let shutdown = context.shutdown.clone();
    tokio::spawn(async move {
        tokio::select! {
            () = shutdown.cancelled() => {}
            ((), ()) = async { tokio::join!(carry(context, transport, upgraded, wanted, carrier), work(remote)) } => {}
        }
    });
    response
}

async fn carry(context: Context, transport: Transport, upgraded: OnUpgrade, wanted: Wanted, carrier: Carrier) {
    let stream = match upgraded.await {
        Ok(stream) => TokioIo::new(stream),
        Err(error) => {
            tracing::debug!(%error, "a stream was not upgraded");
            return;
        }
    };
    match transport {
        Transport::WebSocket(protocol) => {
            stream::serve_channels(stream, &protocol, wanted, carrier, &*context.clock).await;
        }
        Transport::Spdy(_) => stream::serve_session(stream, wanted, carrier, &*context.clock).await,
    }
}

/// `POST /run/NS/POD/CONTAINER?cmd=…`: the output as the answer.
pub(super) async fn run(context: Context, target: Target, query: Query) -> Answer {
    let missing = || format!("container not found ({:?})", target.container);
    let container = match running(&context, &target, missing) {
        Ok(container) => container,
        Err(refusal) => return refusal.into(),
    };
    let line = query.get("cmd").unwrap_or_default();
    let command: Vec<String> = line.split_ascii_whitespace().map(str::to_owned).collect();
    if command.is_empty() {
        return text(StatusCode::BAD_REQUEST, "you must specify a command\n");
    }
    match context.access.runtime().exec_sync(&container.id, command, RUN_TIMEOUT).await {
        Err(error) => text(StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")),
        Ok(output) => {
            let mut all = String::from_utf8_lossy(&output.stdout).into_owned();
            all += &String::from_utf8_lossy(&output.stderr);
            let code = if output.exit_code == 0 { StatusCode::OK } else { StatusCode::INTERNAL_SERVER_ERROR };
            text(code, all)
        }
    }
}
