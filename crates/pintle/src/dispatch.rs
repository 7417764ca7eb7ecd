//! From the parsed command line to the part that does the work.

use crate::arguments::{Arguments, Command, DataDir, ImageVerb, NodeVerb};
use crate::cluster::{cgroups, layout::Layout, lifecycle, node, supervisor, view};
use crate::roles::{images, kubelet, server, simulate};
use crate::unit;
use std::error::Error;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::ExitCode;

type Done = Result<ExitCode, Box<dyn Error>>;

/// Runs one command to its end.
pub fn run(arguments: Arguments) -> Done {
    match arguments.command {
        Command::Up { data, nodes, write_kubeconfig, images } => {
            let asked = lifecycle::Up { nodes, write_kubeconfig, images };
            let layout = layout(&data)?;
            block_on(async { Ok(lifecycle::up(&layout, &asked, clock::system()).await?) })
        }
        Command::Down { data, delete } => {
            let layout = layout(&data)?;
            block_on(async { Ok(lifecycle::down(&layout, delete, clock::system()).await?) })
        }
        Command::Server(flags) => {
            log_to_stderr();
            serve(server::run(flags, clock::system()))
        }
        Command::Agent(flags) => {
            log_to_stderr();
            serve(simulate::run(flags, clock::system()))
        }
        Command::Kubelet(flags) => {
            log_to_stderr();
            serve(kubelet::run(flags, clock::system()))
        }
        Command::Image { verb } => image_verb(verb),
        Command::Node { verb } => node_verb(verb),
        Command::RunUnit { name } => run_unit(&name),
        Command::InNode { data, node, cgroup, keep_listener, command } => {
            let layout = layout(&data)?;
            if let Some(cgroup) = cgroup {
                cgroups::join(&cgroup)?;
            }
            if !keep_listener {
                // pods must not hold the API server's port open; fails where nothing was inherited
                let _ = nix::unistd::close(supervisor::LISTEN_FD);
            }
            Err(view::enter(&layout, &node, &command).into())
        }
        Command::MakeNode { data, node } => {
            view::make(&layout(&data)?, &node)?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Supervise { data } => {
            let layout = layout(&data)?;
            log_to_stderr();
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
    std::path::absolute(&data.data_dir).map(Layout::new)
}

fn block_on(work: impl Future<Output = Result<(), Box<dyn Error>>>) -> Done {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    runtime.block_on(work)?;
    Ok(ExitCode::SUCCESS)
}

/// Runs a role that works for long.
fn serve(work: impl Future<Output = Result<(), Box<dyn Error>>>) -> Done {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(work)?;
    Ok(ExitCode::SUCCESS)
}

/// Components log to standard error; `PINTLE_LOG` chooses what (`info` unless set).
fn log_to_stderr() {
    let filter = tracing_subscriber::EnvFilter::try_from_env("PINTLE_LOG");
    let filter = filter.unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(false).init();
}
