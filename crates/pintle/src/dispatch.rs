//! From the parsed command line to the part that does the work.

use crate::arguments::{Arguments, Command, DataDir, ImageVerb, NodeVerb};
use crate::cluster::{bare, cgroups, down, layout::Layout, lifecycle, node, supervisor, view};
use crate::kubeadm::{certs_verb, init, join, kubelet_service, reset, token};
use crate::roles::{api_server, controller_manager, images, kubelet, scheduler, server, simulate};
use crate::unit;
use std::error::Error;
use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use tracing_subscriber::filter::{Filtered, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, Registry};

type Done = Result<ExitCode, Box<dyn Error>>;

/// Runs one command to its end.
pub fn run(arguments: Arguments) -> Done {
    match arguments.command {
        Command::Up { data, nodes, bare: true, .. } => {
            let layout = layout(&data)?;
            block_on(async { Ok(bare::up(&layout, nodes.as_deref()).await?) })
        }
        Command::Up { data, nodes, write_kubeconfig, images, bare: false } => {
            let asked = lifecycle::Up { nodes, write_kubeconfig, images };
            let layout = layout(&data)?;
            block_on(async { Ok(lifecycle::up(&layout, &asked, clock::system()).await?) })
        }
        Command::Down { data, delete } => {
            let layout = layout(&data)?;
            block_on(async { Ok(down::down(&layout, delete, clock::system()).await?) })
        }
        Command::Server(flags) => {
            let _spans = log_to_stderr();
            serve(server::run(flags, clock::system()))
        }
        Command::Agent(flags) => {
            let _spans = log_to_stderr();
            serve_on_one_thread(simulate::run(flags, clock::system()))
        }
        Command::Kubelet(flags) => {
            let _spans = log_to_stderr();
            serve(kubelet::run(flags, clock::system()))
        }
        Command::KubeApiserver(flags) => {
            let _spans = log_to_stderr();
            serve(api_server::run(*flags, clock::system()))
        }
        Command::KubeControllerManager(flags) => {
            let _spans = log_to_stderr();
            serve(controller_manager::run(*flags, clock::system()))
        }
        Command::KubeScheduler(flags) => {
            let _spans = log_to_stderr();
            serve(scheduler::run(*flags, clock::system()))
        }
        Command::Init(flags) => block_on(init::run(*flags, clock::system())),
        Command::Join(flags) => block_on(join::run(*flags, clock::system())),
        Command::Reset(flags) => block_on(reset::run(flags, clock::system())),
        Command::Token { verb } => block_on(token::run(verb, clock::system())),
        Command::Certs { verb } => {
            certs_verb::run(&verb, clock::system().now())?;
            Ok(ExitCode::SUCCESS)
        }
        Command::KeepUnit { name } => {
            let _spans = log_to_stderr();
            serve(kubelet_service::keep(&name, clock::system()))
        }
        Command::RestartUnit { name } => {
            block_on(async { Ok(kubelet_service::restart(&name, &clock::system()).await?) })
        }
        Command::Image { verb } => image_verb(verb),
        Command::Node { verb } => node_verb(verb),
        Command::RunUnit { name } => run_unit(&name),
        Command::InNode { data, node, cgroup, die_with_parent, keep_listener, command } => {
            if die_with_parent {
                nix::sys::prctl::set_pdeathsig(nix::sys::signal::Signal::SIGKILL)?;
            }
            let layout = layout(&data)?;
            if let Some(cgroup) = cgroup {
                cgroups::join(&cgroup)?;
            }
            if !keep_listener {
                // pods must not hold the API server's port open; fails where nothing was inherited
                let _ = nix::unistd::close(supervisor::LISTEN_FD);
            }
            let error = view::enter(&layout, &node, &command);
            eprintln!("error: {error}");
            Ok(ExitCode::from(error.exit_code()))
        }
        Command::MakeNode { data, node } => {
            view::make(&layout(&data)?, &node)?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Supervise { data } => {
            let layout = layout(&data)?;
            let _spans = log_to_stderr();
            supervisor::run(&layout, clock::system())?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn image_verb(verb: ImageVerb) -> Done {
    match verb {
        ImageVerb::Import { root, archives } => images::import(&root.images(), &archives)?,
        ImageVerb::Ls { root } => images::list(&root.images())?,
        ImageVerb::Rm { root, names } => images::remove(&root.images(), &names)?,
        ImageVerb::Pull { root, names } => {
            return block_on(async { Ok(images::pull(&root.images(), &names).await?) });
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn node_verb(verb: NodeVerb) -> Done {
    match verb {
        NodeVerb::List { data } => {
            node::list(&layout(&data)?)?;
            Ok(ExitCode::SUCCESS)
        }
        NodeVerb::Exec { data, node, command } => Ok(node::exec(&layout(&data)?, &node, &command)?),
        NodeVerb::Shell { data, node } => Ok(node::exec(&layout(&data)?, &node, &["bash".to_owned()])?),
        NodeVerb::Restart { data, node } => {
            let layout = layout(&data)?;
            block_on(async { Ok(node::restart(&layout, &node, clock::system()).await?) })
        }
    }
}

/// Replaces this process by the unit's. A unit that names one of upstream's programs that is not installed gets this
/// binary under that name.
fn run_unit(name: &str) -> Done {
    let directories = ["/lib/systemd/system", "/etc/systemd/system", "/run/systemd/system"].map(Path::new);
    let (command, environment) = unit::load(&directories, name)?;
    let (program, arguments) = command.split_first().ok_or("empty command")?;
    let installed = Path::new(program).exists();
    let mut process = std::process::Command::new(if installed { program } else { "/proc/self/exe" });
    Err(process.arg0(program).args(arguments).envs(environment).exec().into())
}

fn layout(data: &DataDir) -> Result<Layout, std::io::Error> {
    resolve(&data.data_dir).map(Layout::new)
}

/// The path without links, as the kernel names it among the mounts, also when its end does not exist yet.
fn resolve(path: &Path) -> Result<PathBuf, std::io::Error> {
    let path = std::path::absolute(path)?;
    let there = path.ancestors().find(|ancestor| ancestor.exists()).unwrap_or(Path::new("/"));
    let rest = path.strip_prefix(there).unwrap_or(Path::new(""));
    Ok(there.canonicalize()?.components().chain(rest.components()).collect())
}

fn block_on(work: impl Future<Output = Result<(), Box<dyn Error>>>) -> Done {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let done = runtime.block_on(work);
    // an interrupted verb does not wait for what blocks in the background
    runtime.shutdown_background();
    done?;
    Ok(ExitCode::SUCCESS)
}

/// Runs a role that works for long.
fn serve(work: impl Future<Output = Result<(), Box<dyn Error>>>) -> Done {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(work)?;
    Ok(ExitCode::SUCCESS)
}

/// The same for a role that mostly waits for others: threads that wake each other take longer than its work.
fn serve_on_one_thread(work: impl Future<Output = Result<(), Box<dyn Error>>>) -> Done {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(work)?;
    Ok(ExitCode::SUCCESS)
}

/// Components log to standard error; `PINTLE_LOG` chooses what (`info` unless set). `PINTLE_TRACE` names a file for the
/// spans of pods' starts, in Chrome's trace format; it is whole once the answer is dropped.
fn log_to_stderr() -> Option<tracing_chrome::FlushGuard> {
    let filter = EnvFilter::try_from_env("PINTLE_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    let log = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_ansi(false).with_filter(filter);
    let (spans, guard) = std::env::var_os("PINTLE_TRACE").map(spans_to).unzip();
    tracing_subscriber::registry().with(spans).with(log).init();
    guard
}

type Spans = Box<dyn Layer<Registry> + Send + Sync>;

fn spans_to(file: OsString) -> (Filtered<Spans, Targets, Registry>, tracing_chrome::FlushGuard) {
    let style = tracing_chrome::TraceStyle::Async;
    let builder = tracing_chrome::ChromeLayerBuilder::new().file(file).include_args(true).trace_style(style);
    let (layer, guard) = builder.build();
    (layer.boxed().with_filter(Targets::new().with_target("pintle::trace", tracing::Level::TRACE)), guard)
}
