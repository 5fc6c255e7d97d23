//! Finds the routes to endpoints before any is asked: from apt's configuration, its logins, its
//! sources, the environment, and the command that apt would ask for a proxy. Or from the policy alone,
//! if it names a proxy for evidence.
//!
//! The process that asks endpoints may read none of that. It gets the routes to the endpoints'
//! hosts, and of all logins only those for the proxies on these routes.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{ErrorKind, Read};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use reqwest::Url;
use zeroize::Zeroizing;

use crate::apt::configuration::Configuration;
use crate::apt::sources::{Format, goes_by_tor, list_of_mirrors, read};
use crate::config::Endpoint;
use crate::evidence::{EndpointSetup, Network, Routes};
use crate::route::auth::Logins;
use crate::route::proxy::{Proxy, ProxySettings, ProxyVariables, Route, RouteChoice};
use crate::sys::files::{Links, open_plain};
use crate::sys::plain;
use crate::sys::privileges::User;

/// Longest answer of a command that names a proxy, in bytes, as for apt.
const MAX_ANSWER: usize = 511;

/// The interval at which the output of a command is checked.
const STEP: Duration = Duration::from_millis(5);

/// The message about a command that is not run now.
const NOT_RUN: &str = "it is not run now";

/// Commands that run at the same time.
const AT_ONCE: usize = 8;

/// Largest file with logins or sources that is read, in bytes, and most files in a directory.
const MAX_FILE: u64 = 1 << 20;
const MAX_FILES: usize = 1000;

/// The environment of a command in addition to proxies. The command runs as a user that must not
/// see root's variables.
const COMMAND_ENVIRONMENT: [(&str, &str); 2] = [
    ("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"),
    ("HOME", "/nonexistent"),
];

/// The user as which commands that name a proxy are run (`Proxy-Auto-Detect`).
#[derive(Debug, Clone, Copy)]
pub enum Commands<'a> {
    /// The user that this process runs as
    Own,
    /// This user
    As(&'a User),
    /// None: a host whose route depends on a command is not asked.
    Left,
}

/// All settings that determine the routes to hosts. Made by a process that may read them.
#[derive(Debug)]
pub struct Finder {
    apt: Configuration,
    variables: ProxyVariables,
    logins: Logins,
    tor: bool,
}

/// Adds the routes to its endpoints to `setup`. Commands run as `user`, if one is given.
pub(super) fn find_for(setup: &mut EndpointSetup, user: Option<&User>) {
    if setup.network == Network::Allowed {
        let commands = user.map_or(Commands::Own, Commands::As);
        let finder = Finder::open(&setup.apt);
        setup.routes =
            finder.find(&setup.endpoints, setup.proxy.as_ref(), setup.timeouts.answer, commands);
    }
}

impl Finder {
    /// Reads the settings.
    #[must_use]
    pub fn open(apt: &Configuration) -> Self {
        let variable = |name| std::env::var(name).ok();
        Self {
            apt: apt.clone(),
            variables: ProxyVariables {
                http_proxy: variable("http_proxy"),
                https_proxy: variable("https_proxy"),
                no_proxy: variable("no_proxy"),
            },
            logins: logins(apt),
            tor: has_source_by_tor(apt),
        }
    }

    /// The settings in a form that tells the route to one host.
    #[must_use]
    pub fn settings(&self) -> ProxySettings<'_> {
        let Self { apt, variables, logins, tor } = self;
        ProxySettings { apt, variables, logins, tor: *tor }
    }

    /// Finds the routes to these endpoints, and to their possible redirects: the same host over
    /// https. `own` is the proxy for evidence alone: with it, apt's settings for proxies do not
    /// count. All commands together get as much time as `patience`.
    #[must_use]
    pub fn find(
        &self,
        endpoints: &[Endpoint],
        own: Option<&Proxy>,
        patience: Duration,
        commands: Commands<'_>,
    ) -> Routes {
        let settings = self.settings();
        let own = own.map(|proxy| (proxy, password()));
        let mut routes = Routes::default();
        let mut asked = BTreeMap::new();
        for endpoint in endpoints.iter().filter(|it| it.url.has_host()) {
            let mut over_tls = endpoint.url.clone();
            let _ = over_tls.set_scheme("https");
            let rebuilder = &endpoint.rebuilder;
            for url in [&endpoint.url, &over_tls] {
                let choice = match &own {
                    Some((proxy, password)) => RouteChoice::Known(match password {
                        Some(password) => Route::Through(proxy.keeping_apart(
                            rebuilder.as_str(),
                            password,
                            &self.logins,
                        )),
                        None => Route::Closed("the system has no random numbers".to_owned()),
                    }),
                    None => settings.choice(url),
                };
                match choice {
                    RouteChoice::Known(route) => routes.set(rebuilder, url, route),
                    RouteChoice::Ask { command, otherwise } => {
                        let key = (url.scheme().to_owned(), url.host_str().map(ToOwned::to_owned));
                        let (_, _, _, whose) = asked.entry(key).or_insert((
                            url.clone(),
                            command,
                            otherwise,
                            BTreeSet::new(),
                        ));
                        whose.insert(rebuilder);
                    }
                }
            }
            let host = endpoint.url.host_str().unwrap_or_default();
            if let Some(file) = settings.find("https", host, "CAInfo") {
                routes.set_authorities(&endpoint.url, file);
            }
        }
        let asked: Vec<_> = asked.into_values().collect();
        let until = Instant::now() + patience;
        for part in asked.chunks(AT_ONCE) {
            let questions = part.iter().map(|(url, command, ..)| (command.as_str(), url));
            let answers = run(questions, commands, until);
            for ((url, command, otherwise, whose), answer) in part.iter().zip(answers) {
                let route = match answer {
                    Ok(said) => settings.answered(&said, command, url, otherwise),
                    Err(why) => Route::Closed(unanswered(command, &why)),
                };
                for rebuilder in whose {
                    routes.set(rebuilder, url, route.clone());
                }
            }
        }
        routes
    }

    /// Returns the proxy that apt's own method must be told for a source with the prefix. `url` is
    /// the source's URL without the prefix, and the command for such URLs names the proxy. Before
    /// apt 2.7 apt runs no command for a source with a prefix, and later only one that is
    /// configured with the prefix too.
    ///
    /// Returns `None` if the method needs no proxy from here.
    ///
    /// # Errors
    /// If the command gave no usable answer; for people.
    pub fn of_source(&self, url: &Url, patience: Duration) -> Result<Option<String>, String> {
        // Sources by Tor have methods that are not wrapped.
        let settings = ProxySettings { tor: false, ..self.settings() };
        let RouteChoice::Ask { command, otherwise } = settings.choice(url) else { return Ok(None) };
        let question = std::iter::once((command.as_str(), url));
        let answers = run(question, Commands::Own, Instant::now() + patience);
        let said = answers.into_iter().next().unwrap_or_else(|| Err(NOT_RUN.to_owned()));
        let said = said.map_err(|why| unanswered(&command, &why))?;
        if said.is_empty() {
            return Ok(None);
        }
        match settings.answered(&said, &command, url, &otherwise) {
            Route::Closed(why) => Err(why),
            Route::Direct | Route::Through(_) => Ok(Some(said)),
        }
    }
}

/// Makes the password with which this run logs in to a SOCKS proxy for evidence. With a new one, no
/// rebuilder sees this run come from the same address as the last, and no other program on this
/// machine, which cannot know it, gets the same circuits of Tor.
fn password() -> Option<String> {
    let mut bytes = [0; 16];
    let random = rustls::crypto::ring::default_provider().secure_random;
    random.fill(&mut bytes).ok()?;
    Some(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

fn unanswered(command: &str, why: &str) -> String {
    format!("the command {command} (Proxy-Auto-Detect) named no proxy: {why}")
}

/// A command that names a proxy, running.
struct Running {
    child: Child,
    /// Open until its first line is there
    output: Option<ChildStdout>,
    said: Vec<u8>,
}

/// Runs commands that name proxies, each with a URL, all at the same time. Uses no thread, because
/// the method could not confine itself with one. Returns the first line of each output, without
/// spaces around it.
///
/// apt runs them as root. Here they run as the user that asks endpoints, which is enough to find a
/// proxy.
fn run<'a>(
    questions: impl Iterator<Item = (&'a str, &'a Url)>,
    commands: Commands<'_>,
    until: Instant,
) -> Vec<Result<String, String>> {
    let mut running: Vec<_> =
        questions.map(|(command, url)| Running::start(command, url, commands)).collect();
    let mut answers: Vec<Option<Result<String, String>>> = running.iter().map(|_| None).collect();
    loop {
        for (running, answer) in running.iter_mut().zip(&mut answers) {
            if answer.is_none() {
                *answer = match running {
                    Ok(running) => running.answer(),
                    Err(why) => Some(Err(why.clone())),
                };
            }
        }
        if answers.iter().all(Option::is_some) || Instant::now() >= until {
            break;
        }
        std::thread::sleep(STEP);
    }
    running.into_iter().flatten().for_each(Running::end);
    let late = || Err("it did not answer in time".to_owned());
    answers.into_iter().map(|answer| answer.unwrap_or_else(late)).collect()
}

impl Running {
    fn start(command: &str, url: &Url, commands: Commands<'_>) -> Result<Self, String> {
        if !Path::new(command).is_absolute() {
            return Err("its path must begin with /".to_owned());
        }
        let mut program = Command::new(command);
        match commands {
            Commands::Left => return Err(NOT_RUN.to_owned()),
            Commands::Own => {}
            Commands::As(user) => drop(program.uid(user.uid).gid(user.gid)),
        }
        let kept = ["http_proxy", "https_proxy", "no_proxy"];
        let child = program
            .arg(url.as_str())
            .env_clear()
            .envs(COMMAND_ENVIRONMENT)
            .envs(std::env::vars_os().filter(|(name, _)| kept.iter().any(|it| name == it)))
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            // With all its children, so that none of them remains.
            .process_group(0)
            .spawn();
        let failed = |error: std::io::Error| format!("it cannot be run: {}", plain(&error));
        let mut running = Self { child: child.map_err(failed)?, output: None, said: Vec::new() };
        running.output = running.child.stdout.take();
        if let Some(output) = &running.output {
            // Otherwise reading would block on a command that prints nothing.
            if let Err(error) = fcntl(output, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)) {
                running.end();
                return Err(failed(error.into()));
            }
        }
        Ok(running)
    }

    /// Returns its answer, once it has printed that and ended.
    fn answer(&mut self) -> Option<Result<String, String>> {
        while let Some(output) = &mut self.output {
            let mut some = [0; MAX_ANSWER];
            match output.read(&mut some) {
                Ok(0) => self.output = None,
                Ok(count) => self.said.extend(some.iter().take(count)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return None,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Some(Err(plain(&error))),
            }
            if self.said.len() >= MAX_ANSWER || self.said.contains(&b'\n') {
                self.output = None;
            }
        }
        match self.child.try_wait() {
            Ok(Some(status)) if status.success() => {
                let line = self.said.split(|byte| *byte == b'\n').next().unwrap_or_default();
                Some(Ok(String::from_utf8_lossy(line).trim().to_owned()))
            }
            Ok(Some(_)) => Some(Err("it failed".to_owned())),
            Ok(None) => None,
            Err(error) => Some(Err(plain(&error))),
        }
    }

    /// Ends it, unless it has ended, with all its children.
    fn end(mut self) {
        if let Ok(None) = self.child.try_wait() {
            if let Ok(group) = i32::try_from(self.child.id()) {
                let _ = killpg(Pid::from_raw(group), Signal::SIGKILL);
            }
            let _ = self.child.wait();
        }
    }
}

/// Reads apt's files with logins, in apt's order (`aptAuthConfMethod`, methods/aptmethod.h). Skips
/// unreadable files, as apt does.
fn logins(apt: &Configuration) -> Logins {
    let mut logins = Logins::default();
    let mut files = vec![apt.path("Dir::Etc::netrc", "/etc/apt/auth.conf")];
    let parts = apt.path("Dir::Etc::netrcparts", "/etc/apt/auth.conf.d");
    files.extend(
        names_in(&parts, |name| {
            name.strip_suffix(".conf").is_some_and(|it| !it.contains('.')) || !name.contains('.')
        })
        .into_iter()
        .map(|name| parts.join(name)),
    );
    for text in files.iter().filter_map(|file| text_of(file)) {
        logins.add(text);
    }
    logins
}

/// Returns true when apt has a source that it gets by Tor. Skips unreadable files.
fn has_source_by_tor(apt: &Configuration) -> bool {
    let parts = apt.path("Dir::Etc::sourceparts", "/etc/apt/sources.list.d");
    let mut files = vec![apt.path("Dir::Etc::sourcelist", "/etc/apt/sources.list")];
    let named = |name: &str| name.ends_with(".list") || name.ends_with(".sources");
    files.extend(names_in(&parts, named).into_iter().map(|name| parts.join(name)));
    files.iter().any(|file| {
        let format = match file.extension() {
            Some(it) if it == "sources" => Format::Stanza,
            _ => Format::Line,
        };
        let Some(text) = text_of(file) else { return false };
        let entries = read(&text, format);
        entries.iter().filter(|it| it.enabled).any(|it| {
            let mirrors = list_of_mirrors(&it.uri).and_then(|path| text_of(Path::new(path)));
            goes_by_tor(&it.uri)
                || mirrors.is_some_and(|text| {
                    text.lines().any(|line| line.split_whitespace().next().is_some_and(goes_by_tor))
                })
        })
    })
}

fn names_in(directory: &Path, is_wanted: impl Fn(&str) -> bool) -> BTreeSet<String> {
    let names = fs::read_dir(directory).into_iter().flatten().flatten().take(MAX_FILES);
    names
        .filter_map(|it| it.file_name().into_string().ok())
        .filter(|name| !name.starts_with('.') && is_wanted(name))
        .collect()
}

/// Reads a file as text. It may be a secret, so its text is overwritten in memory afterwards.
fn text_of(file: &Path) -> Option<Zeroizing<String>> {
    let file = open_plain(file, Links::Followed).ok()?;
    let mut text = Zeroizing::new(String::new());
    file.take(MAX_FILE).read_to_string(&mut text).ok()?;
    Some(text)
}
