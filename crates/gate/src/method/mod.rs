//! The apt method: apt's own http or https with the judgement in front of every package.
//!
//! apt talks to this process as to any method; this process talks to apt's own, which does the
//! downloading with all that the administrator configured for it. Files that only become apt's
//! indexes pass; everything else is hashed here and judged before apt hears that it is done.
//!
//! It starts as root, because the wrapped method reads `auth.conf` as root. It gives up root, and
//! confines itself when apt asks for the first file: before it reads a byte from outside. The
//! wrapped method runs as the same user and is not confined, so its messages are as hostile as the
//! network; see `conversation`.

mod case;
mod conversation;
mod items;
mod passage;
mod proxies;
mod reply;
mod verdict;
mod wrapped;

use std::ffi::OsStr;
use std::io::{self, BufReader, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::apt::configuration::Configuration;
use crate::apt::message::{Message, MessageError};
use crate::evidence::{EndpointSetup, Engine, Event, Network, Question, QuestionId};
use crate::fetching::{Commands, Confinement, Finder, MethodPlaces, confine_method};
use crate::gate::{Gate, Haste, Inquiry, Listings, News, Recorder};
use crate::receipt;
use crate::report::Entrance;
use crate::sys::plain;
use crate::sys::privileges::User;
use crate::sys::secure::Trusted;
use conversation::Conversation;
use passage::{HashedFile, Places};
use proxies::Proxies;
use reply::Action;
use wrapped::{ItsHashes, Scheme, Wrapped};

/// apt's exit code for a method that could not give up its privileges.
const NO_SANDBOX: u8 = 112;

/// The time limit for a command that names a proxy, if no configuration sets one.
const PROXY_PATIENCE: Duration = Duration::from_secs(10);

/// Most threads that verify the evidence at hand: downloads do not arrive faster than these can
/// verify.
const VERIFYING: usize = 4;

/// An event while the method runs.
enum Incoming {
    /// apt said something.
    Apt(Message),
    /// apt closed its end, or sent a malformed message.
    AptGone,
    /// The wrapped method said something.
    Wrapped(Message),
    /// The wrapped method ended, or sent a malformed message.
    WrappedGone,
    /// A file was hashed.
    Hashed(Vec<u8>, io::Result<HashedFile>),
    /// The evidence at hand about a file was found.
    Inquired(QuestionId, Question, Box<Inquiry>),
    /// An endpoint answered.
    Evidence(Event),
}

/// Returns true when `name`, by which the program was called, is that of a method.
#[must_use]
pub fn is_name_of_a_method(name: &str) -> bool {
    Scheme::from_name(name).is_some()
}

/// Runs the method under the name by which apt called it.
#[must_use]
pub fn run(argv0: &Path) -> ExitCode {
    let name = argv0.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let Some(scheme) = Scheme::from_name(name) else { return ExitCode::FAILURE };
    match serve(&scheme) {
        Ok(code) => code,
        Err(error) => {
            let failure = Message::new(401, "General Failure")
                .with("Message", format!("apt-quorum: {error}"));
            let _ = io::stdout().write_all(&failure.to_bytes());
            ExitCode::FAILURE
        }
    }
}

fn serve(scheme: &Scheme) -> Result<ExitCode, String> {
    crate::sys::memory::give_back();
    say(&scheme.capabilities())?;
    // apt asks every method once for its capabilities and closes the pipe again.
    let mut apt = BufReader::new(io::stdin());
    let Some(configuration) = Message::read(&mut apt).map_err(|error| error.to_string())? else {
        return Ok(ExitCode::SUCCESS);
    };
    if configuration.code() != 601 {
        return Err("apt did not send its configuration first".to_owned());
    }
    let mut config = Configuration::default();
    for item in configuration.all("Config-Item") {
        config.add(&String::from_utf8_lossy(item));
    }

    let user = sandbox_user(&config)?;
    let prepared = prepare(&config, user.as_ref());
    // While still root: only root can read the logins for proxies.
    let finder = Finder::open(&config);
    let mut wrapped = Wrapped::start(scheme, &config)?;
    if let Some(user) = &user {
        if let Err(error) = user.become_it() {
            let failure = Message::new(401, "General Failure").with("Message", error.to_string());
            say(&failure)?;
            return Ok(ExitCode::from(NO_SANDBOX));
        }
    }

    let (gate, recorder) = prepared;
    let gate = Arc::new(gate);
    let Ok(Some(first)) = Message::read(&mut apt) else { return Ok(ExitCode::SUCCESS) };
    // And these before anything comes from outside.
    let mut setup = gate.setup(&config, Network::Allowed);
    let proxies = find_routes(scheme, &config, finder, setup.as_mut(), &first);
    if let Some(why) = proxies.trouble() {
        say(&Message::new(104, "Warning").with("Message", format!("apt-quorum: {why}")))?;
    }
    let places = Places::new(&config);
    let its_hashes = ItsHashes::for_run(&config, &places, &first);
    wrapped.configure(configuration, its_hashes);
    let listings = close_in(&config, &places, &gate, setup.as_ref(), &recorder, &first)?;

    let (send, incoming) = channel();
    let engine = match setup {
        Some(setup) => {
            let send = send.clone();
            let hand_on = move |event| drop(send.send(Incoming::Evidence(event)));
            Some(Engine::start(setup, hand_on).map_err(|error| plain(&error))?)
        }
        None => None,
    };
    let hashing = workers("hash", 1, &send, |(uri, path): (Vec<u8>, PathBuf)| {
        let file = HashedFile::read(&path);
        Incoming::Hashed(uri, file)
    })?;
    let verifying = std::thread::available_parallelism().map_or(1, usize::from).min(VERIFYING);
    let inquiring = {
        let gate = Arc::clone(&gate);
        workers("inquire", verifying, &send, move |(id, question): (QuestionId, Question)| {
            let inquiry = gate.inquire(&question, conversation::now());
            Incoming::Inquired(id, question, Box::new(inquiry))
        })?
    };
    let (mut to_wrapped, from_wrapped) = wrapped.split();
    send.send(Incoming::Apt(first)).map_err(|error| error.to_string())?;
    reader(apt, send.clone(), Incoming::Apt, || Incoming::AptGone)?;
    reader(from_wrapped, send, Incoming::Wrapped, || Incoming::WrappedGone)?;

    let mut conversation =
        Conversation::new(scheme, &config, places, &gate, recorder, listings, its_hashes);
    loop {
        let mut actions = match incoming.recv_timeout(conversation.patience()) {
            Ok(Incoming::Apt(message)) => conversation.apt_says(proxies.tell(message)),
            Ok(Incoming::AptGone) => return Ok(ExitCode::SUCCESS),
            Ok(Incoming::Wrapped(message)) => conversation.wrapped_says(message),
            Ok(Incoming::WrappedGone) => conversation.wrapped_is_gone(),
            Ok(Incoming::Hashed(uri, file)) => conversation.hashed(&uri, file),
            Ok(Incoming::Inquired(id, question, inquiry)) => {
                conversation.inquired(id, question, inquiry)
            }
            Ok(Incoming::Evidence(event)) => conversation.evidence(event),
            Err(RecvTimeoutError::Timeout) => Vec::new(),
            Err(RecvTimeoutError::Disconnected) => return Ok(ExitCode::SUCCESS),
        };
        actions.extend(conversation.time_passes(Instant::now()));
        // Written at once: apt must not end its run between a refusal and the failure of the whole
        // run after it.
        let mut to_apt = Vec::new();
        let mut ended = false;
        for action in actions {
            match action {
                Action::Say(reply) => to_apt.extend(reply.into_message().to_bytes()),
                Action::Forward(message) => {
                    // If the wrapped method is gone, its reader says so.
                    let _ = to_wrapped.write_all(&message.to_bytes());
                }
                Action::Hash { uri, path } => {
                    let _ = hashing.send((uri, path));
                }
                Action::Inquire { id, question } => {
                    let _ = inquiring.send((id, question));
                }
                Action::Order(order) => {
                    if let Some(engine) = &engine {
                        engine.take(order);
                    }
                }
                Action::End => ended = true,
            }
        }
        write(&to_apt)?;
        if ended {
            return Ok(ExitCode::FAILURE);
        }
    }
}

/// Returns the user to change to. apt leaves the item out when it does not sandbox: for a download
/// into a directory that the unprivileged user cannot write.
fn sandbox_user(config: &Configuration) -> Result<Option<User>, String> {
    if !nix::unistd::geteuid().is_root() {
        return Ok(None);
    }
    match config.find("APT::Sandbox::User") {
        None | Some("root") => Ok(None),
        Some(name) => User::find(name).map(Some).map_err(|error| error.to_string()),
    }
}

/// Prepares everything that needs root: reads the configuration, opens the receipts, and makes the
/// directories that the unprivileged user writes to. Opens the log as well: once confined, the
/// process only writes to the open socket.
fn prepare(config: &Configuration, user: Option<&User>) -> (Gate, Recorder) {
    let state = config.path("APT::Quorum::State", receipt::DEFAULT_DIRECTORY);
    let gate = Gate::open(config, None, Trusted::now());
    let gate = gate.holding_up(Haste::Method, &state, conversation::now());
    let recorder = Recorder::open(&gate, config, Entrance::Method, News::All, Some(&state));
    if let Some(user) = user {
        gate.cache().give_to(user);
        if let Some(directory) = recorder.evidence_directory() {
            // Root owns its parent, so the name cannot be a link from another user. Without this
            // directory, nothing is cached and the receipts cannot be written, which is reported
            // there.
            let _ = std::os::unix::fs::lchown(directory, Some(user.uid), Some(user.gid));
        }
    }
    (gate, recorder)
}

/// Finds the routes to endpoints, if there may be any question to them, and the proxy that apt's
/// own method must be told.
fn find_routes(
    scheme: &Scheme,
    config: &Configuration,
    finder: Finder,
    setup: Option<&mut EndpointSetup>,
    first: &Message,
) -> Proxies {
    let destination = first.field("Filename").map(|it| PathBuf::from(OsStr::from_bytes(it)));
    let is_index = destination.is_some_and(|it| Places::new(config).is_for_an_index(&it));
    let patience = setup.as_ref().map_or(PROXY_PATIENCE, |it| it.timeouts.answer);
    if let Some(setup) = setup {
        // No rebuilder is asked about indexes. If a package follows, the hook asks.
        let commands = if is_index { Commands::Left } else { Commands::Own };
        let own = setup.proxy.as_ref();
        setup.routes = finder.find(&setup.endpoints, own, patience, commands);
    }
    Proxies::find(scheme, &finder, first, patience)
}

/// Confines the process, once apt's first request shows where the files will be.
///
/// Reads the indexes before that, if they are needed. Those that are compressed are unpacked by a
/// program of apt's, and a confined process can start none.
fn close_in(
    config: &Configuration,
    places: &Places,
    gate: &Gate,
    setup: Option<&EndpointSetup>,
    recorder: &Recorder,
    first: &Message,
) -> Result<Option<Listings>, String> {
    let destination = first.field("Filename").map(|it| Path::new(OsStr::from_bytes(it)));
    let destination = destination.and_then(|it| places.file(it).ok());
    let is_index = destination.as_deref().is_some_and(|it| places.is_for_an_index(it));
    let confinement = Confinement::of(config);
    let listings =
        (confinement == Confinement::Wanted && !is_index).then(|| gate.listings(|_, _| true));
    // A file for one of apt's own directories keeps its name there.
    let elsewhere = destination.filter(|it| places.waiting_place(it).is_some());
    let places = MethodPlaces {
        apt: places.directories().map(Path::to_owned).to_vec(),
        evidence: recorder.evidence_directory().map(Path::to_owned),
        elsewhere,
    };
    let closed = confine_method(config, setup, &places).map_err(|error| error.to_string())?;
    // For debugging (Debug::pkgAcquire::Worker): neither an old kernel nor root's own choice is
    // worth a warning in every run.
    let remark = match closed {
        None => Some(format!("{} is off", Confinement::ITEM)),
        Some(closed) => closed.shortfall(),
    };
    if let Some(remark) = remark {
        let text = format!("apt-quorum: the method's sandbox is incomplete: {remark}");
        say(&Message::new(101, "Log").with("Message", text))?;
    }
    Ok(listings)
}

fn say(message: &Message) -> Result<(), String> {
    write(&message.to_bytes())
}

fn write(bytes: &[u8]) -> Result<(), String> {
    let mut apt = io::stdout().lock();
    apt.write_all(bytes).and_then(|()| apt.flush()).map_err(|error| plain(&error))
}

/// Reads messages on a separate thread, so that neither side ever waits for the other.
fn reader(
    mut input: impl io::BufRead + Send + 'static,
    send: Sender<Incoming>,
    wrap: fn(Message) -> Incoming,
    gone: fn() -> Incoming,
) -> Result<(), String> {
    let read = move || {
        loop {
            let message = match Message::read(&mut input) {
                Ok(Some(message)) => wrap(message),
                Ok(None) | Err(MessageError::Malformed | MessageError::Io(_)) => {
                    let _ = send.send(gone());
                    return;
                }
            };
            if send.send(message).is_err() {
                return;
            }
        }
    };
    std::thread::Builder::new().spawn(read).map(drop).map_err(|error| plain(&error))
}

/// Does jobs on separate threads, in the order in which they come. Hashes files while the next ones
/// download, and verifies the evidence at hand about those that are still to come.
fn workers<T: Send + 'static>(
    name: &str,
    threads: usize,
    send: &Sender<Incoming>,
    work: impl Fn(T) -> Incoming + Send + Sync + 'static,
) -> Result<Sender<T>, String> {
    let (jobs, queue) = channel::<T>();
    let (queue, work) = (Arc::new(Mutex::new(queue)), Arc::new(work));
    for _ in 0..threads {
        let (queue, work, send) = (Arc::clone(&queue), Arc::clone(&work), send.clone());
        let run = move || {
            loop {
                let job = queue.lock().unwrap_or_else(|lock| lock.into_inner()).recv();
                let Ok(job) = job else { return };
                if send.send(work(job)).is_err() {
                    return;
                }
            }
        };
        let thread = std::thread::Builder::new().name(name.to_owned());
        thread.spawn(run).map_err(|error| plain(&error))?;
    }
    Ok(jobs)
}
