//! The process that asks endpoints for root, as it runs: without privileges, and confined.

use std::io::{BufReader, Read, Write};

use serde::Serialize;

use super::confine::confine_fetcher;
use super::wire::{MAX_LINE, Task, Wire, WireEvent, WirePublished, read_line};
use crate::evidence::{Engine, build_histories, published_keys};

/// Reads a setup and questions from `input`, asks, and writes events to `output`
/// until `input` ends. Confines this process once the setup, which is root's, is read.
///
/// # Errors
/// If the setup cannot be read, the process cannot be confined, or nothing can be written.
pub fn serve(input: impl Read, output: impl Write + Send + 'static) -> std::io::Result<()> {
    let mut input = BufReader::new(input);
    let broken = || std::io::Error::from(std::io::ErrorKind::InvalidData);
    let wire: Wire = read_line(&mut input, MAX_LINE).ok_or_else(broken)?;
    let task = wire.task.clone();
    let setup = wire.into_setup().ok_or_else(broken)?;
    confine_fetcher(&setup).map_err(std::io::Error::other)?;
    match task {
        Task::Evidence => {}
        Task::Keys => {
            let published = published_keys(&setup)?;
            return answer(published.iter().map(WirePublished::of), output);
        }
        Task::Builds(identity) => return answer(build_histories(&setup, &identity)?, output),
    }
    let output = std::sync::Mutex::new(output);
    let engine = Engine::start(setup, move |event| {
        let mut output = output.lock().unwrap_or_else(|lock| lock.into_inner());
        let line = serde_json::to_string(&WireEvent::of(event)).map_err(std::io::Error::from);
        // With its end at once: the waiting process is woken up only once.
        let said = line.and_then(|line| output.write_all((line + "\n").as_bytes()));
        let said = said.and_then(|()| output.flush());
        if said.is_err() {
            // The asking process has heard enough, or must not wait for an answer that cannot come.
            std::process::exit(1);
        }
    })?;
    while let Some(order) = read_line(&mut input, MAX_LINE) {
        engine.take(order);
    }
    Ok(())
}

/// Writes a line for the answer of each endpoint.
fn answer<T: Serialize>(
    answers: impl IntoIterator<Item = T>,
    mut output: impl Write,
) -> std::io::Result<()> {
    for it in answers {
        writeln!(output, "{}", serde_json::to_string(&it)?)?;
    }
    output.flush()
}
