//! Asks endpoints: from this process, or from one without privileges.
//!
//! A hook that runs as root must not speak HTTP or TLS with strangers. It starts this program again
//! as apt's unprivileged user and exchanges lines of JSON with it. The received bytes are verified
//! as if they came from the network, which they do.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel, sync_channel};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::{Deserialize, Serialize};

use crate::apt::configuration::Configuration;
use crate::attest::repository::Terms;
use crate::attest::{self, Accepted, KeyRing, PinnedKey};
use crate::cache::Cache;
use crate::config::{Endpoint, Protocol, Timeouts};
use crate::evidence::{
    Engine, Event, Found, MAX_ATTESTATIONS, NATIVE, Network, Question, QuestionId, Routes, Setup,
};
use crate::policy::Outcome;
use crate::sys::privileges::{PrivilegeError, User};
use crate::sys::{inherited, plain, program};
use crate::types::{Architecture, KeyKind, PublicKey, RebuilderName, Timestamp};

use super::confine::{Confinement, confine_fetcher};
use super::routes;

/// Longest line that is read from the fetching process, in bytes: the highest number of
/// attestations, each of the largest size, in base64, and the text around them.
const MAX_LINE: usize = MAX_ATTESTATIONS * attest::MAX_BYTES * 4 / 3 + 65_536;

/// The time that the fetching process may need in addition to its network timeouts, to start and to
/// verify.
pub(super) const SLACK: Duration = Duration::from_secs(10);

/// The longest wait for the end of the fetching process after it was killed.
const LAST_WAIT: Duration = Duration::from_secs(5);

/// apt's unprivileged user, unless its configuration names another.
const APT_USER: &str = "_apt";

/// Events that are read from the fetching process before they are handled.
const EVENTS_AHEAD: usize = 4;

/// A way to ask endpoints.
pub trait Gatherer {
    /// Puts `question` to these endpoints; each brings one event.
    fn ask(&mut self, id: QuestionId, question: Question, endpoints: Vec<usize>);

    /// Ends a group of questions.
    fn go(&mut self) {}

    /// Notes that the answers to this question are no longer awaited: it may come after all others.
    fn settled(&mut self, _: QuestionId) {}

    /// Returns the next event. Waits no longer than `patience`, if any is given.
    fn next(&mut self, patience: Option<Duration>) -> Next;
}

/// The result of waiting for an event.
#[derive(Debug)]
pub enum Next {
    /// An endpoint answered.
    Event(Event),
    /// Patience ran out.
    NotYet,
    /// No further event can come.
    Ended,
}

fn receive(events: &Receiver<Event>, patience: Option<Duration>) -> Next {
    match patience {
        None => events.recv().map_or(Next::Ended, Next::Event),
        Some(patience) => match events.recv_timeout(patience) {
            Ok(event) => Next::Event(event),
            Err(RecvTimeoutError::Timeout) => Next::NotYet,
            Err(RecvTimeoutError::Disconnected) => Next::Ended,
        },
    }
}

/// A gatherer that asks no endpoint, because the gate is closed.
pub(super) struct Nobody;

impl Gatherer for Nobody {
    fn ask(&mut self, _: QuestionId, _: Question, _: Vec<usize>) {}

    fn next(&mut self, _: Option<Duration>) -> Next {
        Next::Ended
    }
}

/// A gatherer that asks from this process.
#[derive(Debug)]
pub struct Local {
    engine: Engine,
    events: Receiver<Event>,
}

impl Local {
    /// Starts asking.
    ///
    /// # Errors
    /// If the system has no thread or descriptor to spare.
    pub fn start(mut setup: Setup) -> std::io::Result<Self> {
        routes::find_for(&mut setup, None);
        let (send, events) = channel();
        let engine = Engine::start(setup, move |event| {
            let _ = send.send(event);
        })?;
        Ok(Self { engine, events })
    }
}

impl Gatherer for Local {
    fn ask(&mut self, id: QuestionId, question: Question, endpoints: Vec<usize>) {
        self.engine.ask(id, question, endpoints);
    }

    fn go(&mut self) {
        self.engine.go();
    }

    fn settled(&mut self, id: QuestionId) {
        self.engine.settled(id);
    }

    fn next(&mut self, patience: Option<Duration>) -> Next {
        receive(&self.events, patience)
    }
}

/// A gatherer that asks through a process without privileges, started at the first question.
#[derive(Debug)]
pub struct Fetcher {
    setup: Setup,
    user: User,
    process: Option<Process>,
    events: Option<Receiver<Event>>,
    /// The reason for which there is no process, which then answers every question
    failure: Option<String>,
    unasked: VecDeque<Event>,
    /// The number of answers that it owes
    outstanding: usize,
    /// The time of its last answer, or of the last question
    heard: Instant,
}

impl Fetcher {
    /// Makes a fetcher that asks as `user`.
    #[must_use]
    pub fn new(setup: Setup, user: User) -> Self {
        Self {
            setup,
            user,
            process: None,
            events: None,
            failure: None,
            unasked: VecDeque::new(),
            outstanding: 0,
            heard: Instant::now(),
        }
    }

    /// Answers for the endpoints, which cannot be asked.
    fn fail(&mut self, why: &str, question: QuestionId, endpoints: Vec<usize>) {
        for at in endpoints {
            let Some(endpoint) = self.setup.endpoints.get(at) else { continue };
            let found = Found {
                rebuilder: endpoint.rebuilder.clone(),
                endpoint: endpoint.url.to_string(),
                attestations: Vec::new(),
                outcome: Outcome::Unreachable { why: why.to_owned() },
            };
            self.unasked.push_back(Event { question, endpoint: at, found });
        }
    }

    fn start(&mut self) -> std::io::Result<()> {
        routes::find_for(&mut self.setup, Some(&self.user));
        let (process, output) = Process::start(&self.user)?;
        process.tell(&Wire::of(&self.setup, Task::Evidence))?;
        // Bounded: while this side verifies, the process must wait, and with it the network.
        let (send, events) = sync_channel(EVENTS_AHEAD);
        std::thread::Builder::new().name("fetcher".to_owned()).spawn(move || {
            let mut output = BufReader::new(output);
            while let Some(event) = read_line(&mut output, MAX_LINE).and_then(WireEvent::into_event)
            {
                if send.send(event).is_err() {
                    return;
                }
            }
        })?;
        self.process = Some(process);
        self.events = Some(events);
        Ok(())
    }
}

/// Returns the user as which the fetching process must ask. Returns nothing if this process is not
/// root's and may ask itself.
///
/// A system that is being built may have no apt yet, and so no user for apt.
pub(super) fn fetching_user(apt: &Configuration) -> Result<Option<User>, String> {
    if !nix::unistd::geteuid().is_root() {
        return Ok(None);
    }
    let named = apt.find("APT::Sandbox::User").filter(|name| *name != "root" && *name != APT_USER);
    let found = match named {
        Some(name) => User::find(name),
        // Without apt, its user does not exist. Any other user than root is good enough: its
        // messages are not believed.
        None => match User::find(APT_USER) {
            Err(PrivilegeError::NoUser(_)) => Ok(User::nobody()),
            found => found,
        },
    };
    found.map(Some).map_err(|error| error.to_string())
}

/// The process that fetches, and the lines for it.
///
/// Every process of the same user can stop it at any moment, so this process never waits for it. A
/// separate thread starts it and writes to it.
#[derive(Debug)]
pub(super) struct Process {
    child: Child,
    /// The lines that wait to be written, as many as there are packages to ask about
    lines: Sender<String>,
}

impl Process {
    /// Starts this program again, as `user`, to read a setup from its input. Returns the process
    /// and its output.
    pub(super) fn start(user: &User) -> std::io::Result<(Self, ChildStdout)> {
        let mut command = Command::new(program()?);
        command
            .arg0("apt-quorum-fetch")
            .env_clear()
            .current_dir("/")
            // Clears the supplementary groups as well.
            .uid(user.uid)
            .gid(user.gid)
            // Not /dev/null: in a directory that contains only this program there is none. The
            // output to it is ignored.
            .stderr(Stdio::piped());
        Self::start_command(command)
    }

    fn start_command(mut command: Command) -> std::io::Result<(Self, ChildStdout)> {
        inherited::hand_nothing_down(&mut command);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let (lines, to_write) = channel::<String>();
        let (send, started) = channel();
        std::thread::Builder::new().name("fetcher-in".to_owned()).spawn(move || {
            let started = command.spawn().and_then(|mut child| {
                drop(child.stderr.take());
                let input = child.stdin.take().ok_or(ErrorKind::BrokenPipe)?;
                let output = child.stdout.take().ok_or(ErrorKind::BrokenPipe)?;
                Ok((child, input, output))
            });
            let (told, input) = match started {
                Ok((child, input, output)) => (Ok((child, output)), Some(input)),
                Err(error) => (Err(error), None),
            };
            // If it took too long, no caller waits for it any more: then its input ends here.
            let (Ok(()), Some(mut input)) = (send.send(told), input) else { return };
            while to_write.recv().is_ok_and(|line| input.write_all(line.as_bytes()).is_ok()) {}
        })?;
        let started = started.recv_timeout(SLACK).map_err(|_| ErrorKind::TimedOut)?;
        started.map(|(child, output)| (Self { child, lines }, output))
    }

    /// Sends it a line of JSON, and does not wait until it reads that.
    ///
    /// # Errors
    /// If it is known to have ended.
    pub(super) fn tell(&self, what: &impl Serialize) -> std::io::Result<()> {
        let line = serde_json::to_string(what)? + "\n";
        self.lines.send(line).map_err(|_| ErrorKind::BrokenPipe.into())
    }
}

impl Drop for Process {
    /// Ends the process. Does not wait for one that hangs in the kernel, for example for a file on
    /// an unreachable server.
    fn drop(&mut self) {
        let _ = self.child.kill();
        let end = Instant::now() + LAST_WAIT;
        while matches!(self.child.try_wait(), Ok(None)) && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

impl Gatherer for Fetcher {
    fn ask(&mut self, id: QuestionId, question: Question, endpoints: Vec<usize>) {
        self.heard = Instant::now();
        if self.process.is_none() && self.failure.is_none() {
            let started = self.start();
            self.failure = started.err().map(|error| {
                format!("the program that fetches evidence cannot be started: {}", plain(&error))
            });
        }
        if let Some(why) = self.failure.clone() {
            return self.fail(&why, id, endpoints);
        }
        let Some(process) = &self.process else { return };
        let asked = endpoints.clone();
        if let Err(error) = process.tell(&WireOrder::Ask { id, question, endpoints }) {
            // It must not be waited for: it does not know the question.
            let why = format!("the program that fetches evidence ended: {}", plain(&error));
            self.fail(&why, id, asked);
            self.failure = Some(why);
            self.process = None;
        } else {
            self.outstanding = self.outstanding.saturating_add(asked.len());
        }
    }

    fn go(&mut self) {
        self.tell(&WireOrder::Go);
    }

    fn settled(&mut self, id: QuestionId) {
        self.tell(&WireOrder::Settled { id });
    }

    fn next(&mut self, patience: Option<Duration>) -> Next {
        if let Some(event) = self.unasked.pop_front() {
            return Next::Event(event);
        }
        let Some(events) = &self.events else { return Next::Ended };
        // It answers every question within the time for one, eight at a time. So an answer always
        // comes within twice that time, unless the process got stuck or is no longer the one that
        // was started.
        let longest = self.setup.timeouts.total.saturating_mul(2) + SLACK;
        let left = longest.saturating_sub(self.heard.elapsed());
        match receive(events, Some(patience.map_or(left, |it| it.min(left)))) {
            Next::NotYet if self.heard.elapsed() < longest => Next::NotYet,
            Next::Event(event) if self.outstanding > 0 => {
                self.outstanding -= 1;
                self.heard = Instant::now();
                Next::Event(event)
            }
            // It got stuck, it ended, or it sends answers without questions, which it could do for
            // ever. Another process would fare no better.
            _ => {
                (self.process, self.events) = (None, None);
                self.failure = Some("the program that fetches evidence ended".to_owned());
                Next::Ended
            }
        }
    }
}

impl Fetcher {
    /// Sends the process an order that only saves work. If the process ended, the next question or
    /// answer shows it.
    fn tell(&self, order: &WireOrder) {
        if let Some(process) = &self.process {
            let _ = process.tell(order);
        }
    }
}

/// The other side: reads a setup and questions from `input`, asks, and writes events to `output`
/// until `input` ends. Confines this process once the setup, which is root's, is read.
///
/// # Errors
/// If the setup cannot be read, the process cannot be confined, or nothing can be written.
pub fn serve(input: impl Read, output: impl Write + Send + 'static) -> std::io::Result<()> {
    let mut input = BufReader::new(input);
    let broken = || std::io::Error::from(std::io::ErrorKind::InvalidData);
    let wire: Wire = read_line(&mut input, MAX_LINE).ok_or_else(broken)?;
    let task = wire.task;
    let setup = wire.into_setup().ok_or_else(broken)?;
    confine_fetcher(&setup).map_err(std::io::Error::other)?;
    if task == Task::Keys {
        return super::keys::answer(&setup, output);
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
        match order {
            WireOrder::Ask { id, question, endpoints } => engine.ask(id, question, endpoints),
            WireOrder::Go => engine.go(),
            WireOrder::Settled { id } => engine.settled(id),
        }
    }
    Ok(())
}

/// Reads one line of JSON of at most `limit` bytes. Returns `None` at the end, or for an invalid
/// line.
pub(super) fn read_line<T: for<'de> Deserialize<'de>>(
    input: &mut impl BufRead,
    limit: usize,
) -> Option<T> {
    let mut line = Vec::new();
    input.take(u64::try_from(limit).ok()?).read_until(b'\n', &mut line).ok()?;
    serde_json::from_slice(&line).ok()
}

/// The task of the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Task {
    /// To answer questions about packages.
    Evidence,
    /// To ask every endpoint for its keys, once.
    Keys,
}

#[derive(Serialize, Deserialize)]
pub(super) struct Wire {
    task: Task,
    endpoints: Vec<WireEndpoint>,
    timeouts: (u64, u64),
    authorities: Option<String>,
    network: bool,
    apt: Configuration,
    /// With the logins for the proxies on the way, and no others
    routes: Routes,
    cache: Option<std::path::PathBuf>,
    keys: Vec<WireKey>,
    statements: Vec<(RebuilderName, Vec<Accepted>)>,
}

#[derive(Serialize, Deserialize)]
struct WireEndpoint {
    rebuilder: RebuilderName,
    protocol: Protocol,
    url: String,
    architectures: Option<std::collections::BTreeSet<Architecture>>,
    archive: Option<Terms>,
}

#[derive(Serialize, Deserialize)]
struct WireKey {
    rebuilder: RebuilderName,
    kind: KeyKind,
    key: String,
    not_after: Option<String>,
}

#[derive(Serialize, Deserialize)]
enum WireOrder {
    Ask { id: QuestionId, question: Question, endpoints: Vec<usize> },
    Go,
    Settled { id: QuestionId },
}

#[derive(Serialize, Deserialize)]
struct WireEvent {
    question: QuestionId,
    at: usize,
    rebuilder: RebuilderName,
    endpoint: String,
    attestations: Vec<String>,
    outcome: Outcome,
}

impl Wire {
    pub(super) fn of(setup: &Setup, task: Task) -> Self {
        let endpoint = |it: &Endpoint| WireEndpoint {
            rebuilder: it.rebuilder.clone(),
            protocol: it.protocol,
            url: it.url.to_string(),
            architectures: it.architectures.clone(),
            archive: it.archive.clone(),
        };
        let key = |it: &PinnedKey| {
            let not_after = it.not_after.map(|moment| moment.to_string());
            let (kind, key) = (it.key.kind(), BASE64.encode(it.key.to_bytes()));
            WireKey { rebuilder: it.rebuilder.clone(), kind, key, not_after }
        };
        let keep = setup.keep.as_ref();
        Self {
            task,
            endpoints: setup.endpoints.iter().map(endpoint).collect(),
            timeouts: (setup.timeouts.answer.as_secs(), setup.timeouts.total.as_secs()),
            authorities: setup.authorities.clone(),
            network: setup.network == Network::Allowed,
            apt: setup.apt.only(&[Confinement::ITEM, NATIVE]),
            routes: setup.routes.clone(),
            cache: keep.map(|(cache, _)| cache.root().to_owned()),
            keys: keep.map(|(_, keys)| keys.iter().map(key).collect()).unwrap_or_default(),
            statements: keep.map(|(_, keys)| keys.statements().collect()).unwrap_or_default(),
        }
    }

    fn into_setup(self) -> Option<Setup> {
        let endpoint = |it: WireEndpoint| {
            Some(Endpoint {
                rebuilder: it.rebuilder,
                protocol: it.protocol,
                url: it.url.parse().ok()?,
                architectures: it.architectures,
                archive: it.archive,
            })
        };
        let key = |it: WireKey| {
            Some(PinnedKey {
                rebuilder: it.rebuilder,
                key: PublicKey::from_bytes(it.kind, &BASE64.decode(it.key).ok()?).ok()?,
                not_after: match it.not_after {
                    Some(text) => Some(text.parse::<Timestamp>().ok()?),
                    None => None,
                },
            })
        };
        let mut keys = KeyRing::new(self.keys.into_iter().map(key).collect::<Option<_>>()?).ok()?;
        for (rebuilder, accepted) in self.statements {
            keys = keys.accepting(rebuilder, accepted);
        }
        let (answer, total) = self.timeouts;
        Some(Setup {
            endpoints: self.endpoints.into_iter().map(endpoint).collect::<Option<_>>()?,
            timeouts: Timeouts {
                answer: Duration::from_secs(answer),
                total: Duration::from_secs(total),
            },
            authorities: self.authorities,
            network: if self.network { Network::Allowed } else { Network::Denied },
            apt: self.apt,
            routes: self.routes,
            keep: self.cache.map(|directory| (Cache::new(&directory), keys)),
        })
    }
}

impl WireEvent {
    fn of(event: Event) -> Self {
        let Event { question, endpoint: at, found } = event;
        Self {
            question,
            at,
            rebuilder: found.rebuilder,
            endpoint: found.endpoint,
            attestations: found.attestations.iter().map(|it| BASE64.encode(it)).collect(),
            outcome: found.outcome,
        }
    }

    fn into_event(self) -> Option<Event> {
        let attestations = self.attestations.iter().take(MAX_ATTESTATIONS);
        let found = Found {
            rebuilder: self.rebuilder,
            endpoint: self.endpoint,
            attestations: attestations.map(|it| BASE64.decode(it).ok()).collect::<Option<_>>()?,
            outcome: self.outcome,
        };
        Some(Event { question: self.question, endpoint: self.at, found })
    }
}

/// For the fuzz targets: the lines between the two processes, read and written.
#[cfg(fuzzing)]
pub mod fuzzing {
    use super::*;

    /// Reads a line from the fetching process as the hook does.
    pub fn event(input: &mut impl BufRead) -> Option<Event> {
        read_line(input, MAX_LINE).and_then(WireEvent::into_event)
    }

    /// The line for an event.
    pub fn event_line(event: Event) -> String {
        serde_json::to_string(&WireEvent::of(event)).unwrap_or_default()
    }

    /// Reads a first line as the fetching process does.
    pub fn setup(input: &mut impl BufRead) -> Option<Setup> {
        read_line::<Wire>(input, MAX_LINE).and_then(Wire::into_setup)
    }

    /// The line for a setup.
    pub fn setup_line(setup: &Setup) -> String {
        serde_json::to_string(&Wire::of(setup, Task::Evidence)).unwrap_or_default()
    }

    /// Reads any other line as the fetching process does.
    pub fn question(input: &mut impl BufRead) -> Option<(QuestionId, Question, Vec<usize>)> {
        match read_line(input, MAX_LINE)? {
            WireOrder::Ask { id, question, endpoints } => Some((id, question, endpoints)),
            WireOrder::Go | WireOrder::Settled { .. } => None,
        }
    }

    /// The line for a question.
    pub fn question_line(id: QuestionId, question: Question, endpoints: Vec<usize>) -> String {
        serde_json::to_string(&WireOrder::Ask { id, question, endpoints }).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn started(program: &str, argument: &str) -> (Process, ChildStdout) {
        let mut command = Command::new(program);
        command.arg(argument);
        Process::start_command(command).unwrap()
    }

    #[test]
    fn a_process_that_reads_nothing_is_not_waited_for() {
        let begun = Instant::now();
        let (process, mut output) = started("sleep", "1000");
        // Far more than a pipe can hold.
        for _ in 0..1000 {
            process.tell(&"x".repeat(10_000)).unwrap();
        }
        let id = nix::unistd::Pid::from_raw(process.child.id().try_into().unwrap());
        nix::sys::signal::kill(id, nix::sys::signal::Signal::SIGSTOP).unwrap();
        drop(process);
        assert_eq!(output.read(&mut [0]).unwrap(), 0, "it is still there");
        assert!(begun.elapsed() < LAST_WAIT, "it took {:?}", begun.elapsed());
    }

    #[test]
    fn lines_arrive_in_their_order_and_nobody_is_told_after_the_end() {
        let (process, output) = started("head", "--lines=3");
        for line in ["a", "b", "c"] {
            process.tell(&line).unwrap();
        }
        let said: Vec<String> = BufReader::new(output).lines().map(Result::unwrap).collect();
        assert_eq!(said, ["\"a\"", "\"b\"", "\"c\""]);
        let end = Instant::now() + Duration::from_secs(30);
        while process.tell(&"d").is_ok() {
            assert!(Instant::now() < end, "it is told for ever");
            std::thread::sleep(Duration::from_millis(1));
        }
        assert!(Process::start_command(Command::new("/no/such/program")).is_err());
    }

    /// It could do so for ever, and the waiting process would never finish.
    #[test]
    fn a_process_that_answers_what_nobody_asked_is_heard_no_more() {
        let setup = Setup {
            endpoints: Vec::new(),
            timeouts: Timeouts { answer: Duration::from_secs(1), total: Duration::from_secs(1) },
            authorities: None,
            apt: Configuration::default(),
            network: Network::Denied,
            routes: Routes::default(),
            keep: None,
        };
        let mut fetcher = Fetcher::new(setup, User::nobody());
        let (send, events) = channel();
        fetcher.events = Some(events);
        fetcher.outstanding = 2;
        for question in 0..3 {
            let found = Found {
                rebuilder: "a".parse().unwrap(),
                endpoint: "https://a.example/".to_owned(),
                attestations: Vec::new(),
                outcome: Outcome::Unreachable { why: "x".to_owned() },
            };
            send.send(Event { question, endpoint: 0, found }).unwrap();
        }
        assert!(matches!(fetcher.next(None), Next::Event(_)));
        assert!(matches!(fetcher.next(Some(Duration::ZERO)), Next::Event(_)));
        assert!(matches!(fetcher.next(Some(Duration::ZERO)), Next::Ended));
        assert!(matches!(fetcher.next(None), Next::Ended));
    }

    #[test]
    fn what_this_process_has_open_is_not_handed_down() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let flags = nix::fcntl::FcntlArg::F_SETFD(nix::fcntl::FdFlag::empty());
        nix::fcntl::fcntl(file.as_file(), flags).unwrap();
        let own = file.path().to_string_lossy();
        let list = || {
            let mut command = Command::new("ls");
            command.args(["-l", "/proc/self/fd"]);
            command
        };
        let handed = String::from_utf8(list().output().unwrap().stdout).unwrap();
        assert!(handed.contains(&*own), "it would not be handed down anyway: {handed}");
        let (_process, mut output) = Process::start_command(list()).unwrap();
        let mut handed = String::new();
        output.read_to_string(&mut handed).unwrap();
        assert!(!handed.contains(&*own), "{own} is among {handed}");
    }
}
