//! Termination messages: the file that a container wrote, or the end of its log.

use super::Worker;
use crate::pod::labels;
use runtime::service::{ContainerState, ContainerStatus};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

/// `MaxContainerTerminationMessageLength`, bytes.
const MAX_MESSAGE_BYTES: u64 = 4096;
/// `MaxContainerTerminationMessageLogLength`, bytes.
const MAX_LOG_BYTES: usize = 2048;
/// `MaxContainerTerminationMessageLogLines`.
const MAX_LOG_LINES: usize = 80;
/// More of the log's end is not read; a line has a prefix of at most some 45 bytes.
const LOG_TAIL_BYTES: u64 = 16 << 10;

impl Worker {
    /// Reads the messages of instances that have ended, each once. The files are small, and the kubelet's own.
    pub(super) fn read_messages(&mut self) {
        let here: Vec<&ContainerStatus> = self.observed.containers.iter().collect();
        self.messages.retain(|id, _| here.iter().any(|c| c.id.0 == *id));
        for container in here {
            if container.state == ContainerState::Exited && !self.messages.contains_key(&container.id.0) {
                self.messages.insert(container.id.0.clone(), message_of(container));
            }
        }
    }
}

fn message_of(container: &ContainerStatus) -> String {
    if container.started_at.is_none() {
        // it never ran: the runtime's words
        return container.message.clone();
    }
    let annotation = |key: &str| container.annotations.get(key).map(String::as_str);
    let file = annotation(labels::TERMINATION_MESSAGE_FILE).map(|path| read_file(Path::new(path)));
    match file.filter(|text| !text.is_empty()) {
        Some(text) => text,
        None if container.exit_code != 0
            && annotation(labels::TERMINATION_MESSAGE_POLICY) == Some("FallbackToLogsOnError") =>
        {
            log_tail(&container.log_path)
        }
        None => container.message.clone(),
    }
}

fn read_file(path: &Path) -> String {
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(MAX_MESSAGE_BYTES).read_to_end(&mut bytes));
    match read {
        Ok(_) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(_) => String::new(), // nothing was written
    }
}

/// The last lines of a CRI log, without times and tags.
fn log_tail(path: &Path) -> String {
    let Ok(mut file) = File::open(path) else { return String::new() };
    let length = file.metadata().map_or(0, |m| m.len());
    let from = length.saturating_sub(LOG_TAIL_BYTES);
    let mut bytes = Vec::new();
    if file.seek(SeekFrom::Start(from)).and_then(|_| file.read_to_end(&mut bytes)).is_err() {
        return String::new();
    }
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<&str> = text.lines().skip(usize::from(from > 0)).collect();
    let last = &lines[lines.len().saturating_sub(MAX_LOG_LINES)..];
    let mut message = String::new();
    for line in last {
        let mut parts = line.splitn(4, ' ');
        let (Some(_time), Some(_stream), Some(tag), content) = (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            continue;
        };
        message.push_str(content.unwrap_or_default());
        if tag == "F" {
            message.push('\n');
        }
    }
    let cut = message.len().saturating_sub(MAX_LOG_BYTES);
    let cut = (cut..message.len()).find(|at| message.is_char_boundary(*at)).unwrap_or(message.len());
    message.split_off(cut)
}
