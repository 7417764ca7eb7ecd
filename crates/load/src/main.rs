//! The command line of the load generator: one measurement a call, one line of JSON on standard output.

use clap::{Args, Parser, Subcommand};
use clock::SharedClock;
use load::connection::Sent;
use load::error::LoadError;
use load::objects::{self, Shape};
use load::requests::{Limit, Outcome, Work};
use load::start::Plan;
use load::target::Target;
use load::{cold, decisions, echo, fanout, overload, requests, schedule, start};
use serde_json::Value;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

#[derive(Parser)]
#[command(name = "load", about = "Measure a Kubernetes API")]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

/// The server, and where to work on it.
#[derive(Args)]
struct Place {
    /// The way to the server.
    #[arg(long, value_name = "FILE")]
    kubeconfig: PathBuf,
    /// Where objects are made.
    #[arg(long, default_value = "load")]
    namespace: String,
}

#[derive(Subcommand)]
enum Verb {
    /// Create pods.
    Create {
        #[command(flatten)]
        place: Place,
        #[arg(long, default_value_t = 1)]
        connections: usize,
        /// Stop after this many.
        #[arg(long, default_value_t = usize::MAX)]
        count: usize,
        /// Stop after this long.
        #[arg(long, default_value_t = 3600)]
        seconds: u64,
        /// Names begin so.
        #[arg(long)]
        prefix: String,
        #[arg(long, value_enum, default_value = "small")]
        shape: Shape,
    },
    /// Get single pods that `create` has made.
    Get {
        #[command(flatten)]
        place: Place,
        #[arg(long, default_value_t = 16)]
        connections: usize,
        /// How many pods there are.
        #[arg(long)]
        count: usize,
        #[arg(long)]
        seconds: u64,
        #[arg(long)]
        prefix: String,
        /// While so many others create pods.
        #[arg(long, default_value_t = 0)]
        writers: usize,
    },
    /// Get a path again and again, such as a list.
    Path {
        #[command(flatten)]
        place: Place,
        #[arg(long, default_value_t = 1)]
        connections: usize,
        #[arg(long)]
        count: usize,
        path: String,
    },
    /// One writer, many watchers.
    Fanout {
        #[command(flatten)]
        place: Place,
        #[arg(long, default_value_t = 1000)]
        watchers: usize,
        #[arg(long, default_value_t = 100)]
        writes: usize,
    },
    /// Create pods for the scheduler and wait until all have nodes.
    Schedule {
        #[command(flatten)]
        place: Place,
        #[arg(long, default_value_t = 10_000)]
        pods: usize,
        #[arg(long, value_enum, default_value = "scheduled")]
        shape: Shape,
    },
    /// Start pods on a real node.
    Start {
        #[command(flatten)]
        place: Place,
        #[arg(long, default_value = "busybox")]
        image: String,
        #[arg(long)]
        init: bool,
        #[arg(long, default_value_t = 20)]
        count: usize,
        #[arg(long)]
        together: bool,
        /// Leave them running, to be looked at.
        #[arg(long, requires = "together")]
        keep: bool,
    },
    /// Start a server and time it.
    Cold {
        /// The file that the server writes.
        #[arg(long)]
        kubeconfig: PathBuf,
        /// Wait for this node too.
        #[arg(long)]
        node: Option<String>,
        #[arg(last = true, required = true)]
        command: Vec<String>,
    },
    /// Wait until a server is ready.
    Ready {
        #[arg(long)]
        kubeconfig: PathBuf,
    },
    /// Wait until nodes are ready and without taints.
    Nodes {
        #[arg(long)]
        kubeconfig: PathBuf,
        #[arg(long, default_value_t = 1)]
        count: usize,
    },
    /// Remove a namespace with all that is in it.
    Remove {
        #[command(flatten)]
        place: Place,
    },
    /// The scheduler's decisions, in process.
    Decisions,
    /// Far more than the server can do.
    Overload {
        #[command(flatten)]
        place: Place,
        #[arg(long, default_value_t = 2000)]
        connections: usize,
        #[arg(long, default_value_t = 60)]
        seconds: u64,
    },
    /// A server that does nothing but answer, until it is killed.
    Echo {
        /// Written when it listens.
        #[arg(long)]
        kubeconfig: PathBuf,
        #[arg(long, default_value_t = 1500)]
        bytes: usize,
    },
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    raise_file_limit();
    let done = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| LoadError::Text(error.to_string()))
        .and_then(|runtime| runtime.block_on(run(arguments.verb, clock::system())));
    match done {
        Ok(result) => {
            println!("{result}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            let mut source = std::error::Error::source(&error);
            eprint!("load: {error}");
            while let Some(cause) = source {
                eprint!(": {cause}");
                source = cause.source();
            }
            eprintln!();
            ExitCode::FAILURE
        }
    }
}

/// A thousand watchers need a thousand file descriptors; what the system does not allow shows as a failed connection.
fn raise_file_limit() {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    if let Ok((_, hard)) = getrlimit(Resource::RLIMIT_NOFILE) {
        let _ = setrlimit(Resource::RLIMIT_NOFILE, hard, hard);
    }
}

async fn run(verb: Verb, clock: SharedClock) -> Result<Value, LoadError> {
    let seconds = Duration::from_secs;
    match verb {
        Verb::Create { place, connections, count, seconds: limit, prefix, shape } => {
            let target = Target::from_kubeconfig(&place.kubeconfig)?;
            objects::ensure_namespace(&mut target.connect().await?, &place.namespace).await?;
            let work = Work::Create { namespace: place.namespace, prefix, shape };
            let limit = Limit { count, duration: seconds(limit) };
            Ok(requests::run(&target, &clock, work, connections, limit).await?.summary())
        }
        Verb::Get { place, connections, count, seconds: limit, prefix, writers } => {
            let target = Target::from_kubeconfig(&place.kubeconfig)?;
            let work = Work::Get { namespace: place.namespace.clone(), prefix, count };
            let limit = Limit { count: usize::MAX, duration: seconds(limit) };
            get(&target, &clock, work, connections, limit, (&place.namespace, writers)).await
        }
        Verb::Path { place, connections, count, path } => {
            let target = Target::from_kubeconfig(&place.kubeconfig)?;
            let limit = Limit { count, duration: seconds(3600) };
            Ok(requests::run(&target, &clock, Work::Path(path), connections, limit).await?.summary())
        }
        Verb::Fanout { place, watchers, writes } => {
            let target = Target::from_kubeconfig(&place.kubeconfig)?;
            objects::ensure_namespace(&mut target.connect().await?, &place.namespace).await?;
            fanout::run(&target, &clock, &place.namespace, watchers, writes).await
        }
        Verb::Schedule { place, pods, shape } => {
            let target = Target::from_kubeconfig(&place.kubeconfig)?;
            schedule::run(&target, &clock, &place.namespace, pods, shape).await
        }
        Verb::Start { place, image, init, count, together, keep } => {
            let target = Target::from_kubeconfig(&place.kubeconfig)?;
            start::run(&target, &clock, &Plan { namespace: place.namespace, image, init, count, together, keep }).await
        }
        Verb::Cold { kubeconfig, node, command } => cold::run(&clock, &command, &kubeconfig, node.as_deref()).await,
        Verb::Ready { kubeconfig } => cold::wait_ready(&clock, &kubeconfig).await.map(|()| Value::Null),
        Verb::Nodes { kubeconfig, count } => cold::wait_nodes(&clock, &kubeconfig, count).await,
        Verb::Remove { place } => {
            let mut connection = Target::from_kubeconfig(&place.kubeconfig)?.connect().await?;
            let path = format!("/api/v1/namespaces/{}", place.namespace);
            connection.expect(&Sent::delete(path, ""), &[404]).await.map(|_| Value::Null)
        }
        Verb::Decisions => Ok(decisions::run(&clock)),
        Verb::Overload { place, connections, seconds: limit } => {
            let target = Target::from_kubeconfig(&place.kubeconfig)?;
            overload::run(&target, &clock, &place.namespace, connections, seconds(limit)).await
        }
        Verb::Echo { kubeconfig, bytes } => echo::run(&clock, &kubeconfig, bytes).await.map(|()| Value::Null),
    }
}

/// Gets, with or without writers beside them; what the writers did comes along.
async fn get(
    target: &Arc<Target>,
    clock: &SharedClock,
    work: Work,
    connections: usize,
    limit: Limit,
    (namespace, writers): (&str, usize),
) -> Result<Value, LoadError> {
    if writers == 0 {
        return Ok(requests::run(target, clock, work, connections, limit).await?.summary());
    }
    let prefix = format!("beside-{}", std::process::id());
    let writing = Work::Create { namespace: namespace.to_owned(), prefix, shape: Shape::Small };
    let reads = requests::run(target, clock, work, connections, limit);
    let writes = requests::run(target, clock, writing, writers, limit);
    let (reads, writes): (Outcome, Outcome) = futures::future::try_join(reads, writes).await?;
    let mut summary = reads.summary();
    summary["writes"] = writes.summary();
    Ok(summary)
}
