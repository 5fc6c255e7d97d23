//! The machine that is set up: its architectures, and the sources of its apt.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::apt::configuration::{Configuration, dumped_below};
use crate::apt::sources::{Format, PREFIX, SourceUri, Way, judged, read, unquoted};
use crate::cli::output::path;
use crate::cli::world::{Stop, shown_uri};
use crate::config::Change;
use crate::evidence::NATIVE;
use crate::gate::{AptUnreadable, Environment, apt_dump};
use crate::sys::secure::Trusted;
use crate::types::{Architecture, printable};

/// The methods that are wrapped.
const METHODS: [&str; 2] = ["http", "https"];

/// The part of apt's configuration that makes apt ask the gate for every source.
const OVERRIDE: &str = include_str!("../../../apt-conf/examples/strict.conf");

/// The name of that file. The package does not own it; removing the package puts it aside.
pub(super) const OVERRIDE_NAME: &str = "01apt-quorum-strict";

/// The directory of apt's methods in the shipped file.
const METHODS_DIRECTORY: &str = "/usr/lib/apt/methods";

/// Largest file with sources that is read, in bytes.
const MAX_FILE: usize = 1 << 20;

/// The parts of a machine that a setup looks at, outside of the configuration.
pub(super) struct LocalMachine {
    /// The architecture that apt calls native, and the others that it installs
    architectures: Vec<Architecture>,
    files: Vec<AptSourceFile>,
    /// Files that were left alone, each with the reason
    unread: Vec<String>,
    /// True if apt asks the gate for all sources
    overridden: bool,
    /// A program that apt's configuration puts in the place of a method, and that is not ours
    foreign: Option<String>,
    /// The directory from which apt reads parts of its configuration
    parts: PathBuf,
    /// The directory of apt's methods
    methods: PathBuf,
}

/// A file with sources.
struct AptSourceFile {
    path: PathBuf,
    format: Format,
    text: String,
    entries: Vec<SourceUri>,
}

/// A source that can be chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SourceChoice {
    pub(super) uri: String,
    pub(super) file: PathBuf,
}

/// The sources whose packages are to be judged while apt downloads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Chosen {
    /// All sources, by apt's configuration
    All,
    /// The same sources as now
    AsTheyAre,
    /// Those with these URIs, as they are without the gate, and no others
    These(BTreeSet<String>),
}

impl Chosen {
    /// Returns the choice of no source.
    pub(super) const fn none() -> Self {
        Self::These(BTreeSet::new())
    }
}

impl LocalMachine {
    pub(super) fn look(apt: &Configuration, trusted: Trusted) -> Result<Self, AptUnreadable> {
        let dump = apt_dump(Environment::Heard, None)?.unwrap_or_default();
        let listed = dumped_below(&dump, "APT::Architectures");
        let native = apt.find(NATIVE).into_iter();
        let mut architectures: Vec<Architecture> = Vec::new();
        for name in native.chain(listed.iter().map(|(_, it)| it.as_str())) {
            if let Ok(architecture) = name.parse() {
                if !architectures.contains(&architecture) {
                    architectures.push(architecture);
                }
            }
        }
        let mut machine = Self {
            architectures,
            files: Vec::new(),
            unread: Vec::new(),
            overridden: METHODS.iter().all(|method| is_overridden(apt, method)),
            foreign: METHODS.iter().find_map(|method| foreign(apt, method)),
            parts: apt.path("Dir::Etc::parts", "/etc/apt/apt.conf.d"),
            methods: apt.path("Dir::Bin::methods", METHODS_DIRECTORY),
        };
        machine.read_file(&apt.path("Dir::Etc::sourcelist", "/etc/apt/sources.list"), trusted);
        let directory = apt.path("Dir::Etc::sourceparts", "/etc/apt/sources.list.d");
        if directory != Path::new("/dev/null") {
            machine.read_directory(&directory, trusted);
        }
        Ok(machine)
    }

    fn read_directory(&mut self, directory: &Path, trusted: Trusted) {
        for suffix in [".list", ".sources"] {
            match trusted.list(directory, suffix) {
                Ok(names) => {
                    for name in names {
                        self.read_file(&directory.join(name), trusted);
                    }
                }
                Err(error) if error.is_missing() => {}
                Err(error) => self.unread.push(error.to_string()),
            }
        }
    }

    fn read_file(&mut self, path: &Path, trusted: Trusted) {
        // The target of a link is changed, not the link.
        let Ok(path) = fs::canonicalize(path) else { return };
        if !path.metadata().is_ok_and(|it| it.is_file()) {
            return;
        }
        let format = match path.extension() {
            Some(it) if it == "sources" => Format::Stanza,
            _ => Format::Line,
        };
        match trusted.read(&path, MAX_FILE) {
            Ok(text) => {
                let entries = read(&text, format);
                self.files.push(AptSourceFile { path, format, text, entries });
            }
            Err(error) => self.unread.push(error.to_string()),
        }
    }

    /// Returns the architectures of packages that are installed here; "all" is one of its own.
    pub(super) fn judged_architectures(&self) -> Vec<Architecture> {
        let mut all: Vec<Architecture> = self.architectures.first().cloned().into_iter().collect();
        all.extend("all".parse());
        all
    }

    /// Returns the architectures for which a new rebuilder is asked, unless the command line names
    /// others. Returns none if apt does not tell which packages it installs.
    pub(super) fn architectures(&self) -> BTreeSet<Architecture> {
        if self.architectures.is_empty() {
            return BTreeSet::new();
        }
        self.architectures.iter().cloned().chain("all".parse()).collect()
    }

    /// Returns true if apt asks the gate for every source already.
    pub(super) const fn all_are_judged(&self) -> bool {
        self.overridden
    }

    /// Returns the sources whose packages could be judged while apt downloads and are not, each
    /// once, as written in their files.
    pub(super) fn choices(&self) -> Vec<SourceChoice> {
        let mut choices: Vec<SourceChoice> = Vec::new();
        for (file, it) in self.entries(Way::Plain) {
            let choice = SourceChoice { uri: it.uri.clone(), file: file.path.clone() };
            if !choices.contains(&choice) {
                choices.push(choice);
            }
        }
        choices
    }

    /// Returns the URIs of the sources that are judged while apt downloads, as they are without the
    /// gate.
    pub(super) fn judged(&self) -> impl Iterator<Item = &str> {
        self.entries(Way::Judged).filter_map(|(_, it)| it.uri.strip_prefix(PREFIX))
    }

    fn entries(&self, way: Way) -> impl Iterator<Item = (&AptSourceFile, &SourceUri)> {
        let entries =
            self.files.iter().flat_map(|file| file.entries.iter().map(move |it| (file, it)));
        entries.filter(move |(_, it)| it.enabled && it.way() == way)
    }

    /// Returns the sources that stay as they are, for people: a line each.
    pub(super) fn left_alone(&self) -> BTreeSet<String> {
        let mut lines = BTreeSet::new();
        for file in &self.files {
            let place = path(&file.path);
            for it in &file.entries {
                let uri = shown_uri(&it.uri);
                if !it.enabled {
                    lines.insert(format!("{uri} ({place}) is disabled"));
                    continue;
                }
                match it.way() {
                    Way::Plain => {}
                    Way::Judged => drop(
                        lines.insert(format!("{uri} ({place}) is checked during download already")),
                    ),
                    Way::Other => {
                        lines.insert(format!(
                            "{uri} ({place}) stays as it is: only http and https can be checked during download"
                        ));
                    }
                }
            }
        }
        lines.extend(self.unread.iter().map(|it| format!("left as it is: {}", printable(it))));
        lines
    }

    /// Returns the sources that a person chose, by URIs as they are written or as they are shown.
    pub(super) fn chosen(&self, words: &[String]) -> Result<Chosen, Stop> {
        match words {
            [one] if one == "all" => return Ok(Chosen::All),
            [one] if one == "none" => return Ok(Chosen::none()),
            _ => {}
        }
        let choices = self.choices();
        let mut uris = BTreeSet::new();
        for word in words {
            let is = |uri: &str| {
                let plain = |it: &str| it.trim_end_matches('/').to_owned();
                // As apt reads it, as it is shown, or as it is written.
                [word.clone(), unquoted(word)]
                    .iter()
                    .any(|word| [uri, &shown_uri(uri)].iter().any(|it| plain(it) == plain(word)))
            };
            let found: Vec<&String> =
                choices.iter().map(|it| &it.uri).filter(|uri| is(uri)).collect();
            // With the prefix it can be named as well, which is how it is written then.
            let is_judged = |uri: &&str| is(uri) || is(&format!("{PREFIX}{uri}"));
            let judged: Vec<String> =
                self.judged().filter(is_judged).map(ToOwned::to_owned).collect();
            if found.is_empty() && judged.is_empty() {
                return Err(Stop::wrong(format!(
                    "--sources {}: no http or https source of apt has this URI, or its file cannot be changed. Nothing was changed.",
                    printable(word)
                )));
            }
            uris.extend(found.into_iter().cloned().chain(judged));
        }
        Ok(Chosen::These(uris))
    }

    /// Adds the choice to `change`.
    pub(super) fn add_to(
        &self,
        change: &mut Change,
        chosen: &Chosen,
        trusted: Trusted,
    ) -> Result<(), Stop> {
        match chosen {
            Chosen::AsTheyAre => Ok(()),
            Chosen::All if self.overridden => Ok(()),
            Chosen::All => self.override_all(change, trusted),
            Chosen::These(uris) => {
                self.take_override_back(change, trusted)?;
                for file in &self.files {
                    self.set_sources(file, uris, change)?;
                }
                Ok(())
            }
        }
    }

    /// Has exactly these sources of a file judged while apt downloads.
    fn set_sources(
        &self,
        file: &AptSourceFile,
        uris: &BTreeSet<String>,
        change: &mut Change,
    ) -> Result<(), Stop> {
        let enabled = || file.entries.iter().filter(|it| it.enabled);
        let is_wanted = |it: &&SourceUri| it.way() == Way::Plain && uris.contains(&it.uri);
        let is_over = |it: &&SourceUri| {
            let without = it.uri.strip_prefix(PREFIX).unwrap_or(&it.uri);
            it.way() == Way::Judged && !uris.contains(without)
        };
        let wanted: Vec<&SourceUri> = enabled().filter(is_wanted).collect();
        self.can_be_wrapped(wanted.iter().map(|it| it.uri.as_str()))?;
        // The places of the others shift by each prefix: these are taken out first, and the rest is
        // found anew.
        let without = plain(&file.text, enabled().filter(is_over));
        let anew = read(&without, file.format);
        if anew.iter().filter(|it| it.enabled).any(|it| is_over(&it)) {
            return Err(Stop::refused(format!(
                "{}: take {PREFIX} out of it with an editor: it is written in an unusual way. Nothing was changed.",
                path(&file.path)
            )));
        }
        let text = judged(&without, anew.iter().filter(|it| it.enabled).filter(is_wanted));
        if text != file.text {
            change.beside(file.path.clone(), Some(file.text.clone()), text);
        }
        Ok(())
    }

    /// Removes the part of apt's configuration that makes apt ask the gate for every source.
    fn take_override_back(&self, change: &mut Change, trusted: Trusted) -> Result<(), Stop> {
        let (path, text) = self.override_file();
        let was = match trusted.read(&path, MAX_FILE) {
            // apt reads no such directory.
            _ if self.parts == Path::new("/dev/null") => None,
            Ok(was) => Some(was),
            Err(error) if error.is_missing() => None,
            Err(error) => return Err(Stop::refused(format!("{error}. Nothing was changed."))),
        };
        match was {
            Some(was) if was == text => change.remove_beside(path, was),
            Some(_) => {
                return Err(Stop::refused(format!(
                    "{} exists with other content: check it, and remove it first. Nothing was changed.",
                    path.display()
                )));
            }
            None if self.overridden => {
                return Err(Stop::refused(format!(
                    "apt's configuration replaces its methods (Dir::Bin::Methods), and not in {}: remove that first. Nothing was changed.",
                    path.display()
                )));
            }
            None => {}
        }
        Ok(())
    }

    /// Returns the file with the override and its content.
    fn override_file(&self) -> (PathBuf, String) {
        let parts = fs::canonicalize(&self.parts).unwrap_or_else(|_| self.parts.clone());
        let text = OVERRIDE
            .replace(&format!("\"{METHODS_DIRECTORY}/"), &format!("\"{}/", self.methods.display()));
        (parts.join(OVERRIDE_NAME), text)
    }

    fn override_all(&self, change: &mut Change, trusted: Trusted) -> Result<(), Stop> {
        if self.parts == Path::new("/dev/null") {
            return Err(Stop::refused(
                "apt reads no directory with parts of its configuration (Dir::Etc::parts): name the sources one by one. Nothing was changed.",
            ));
        }
        // An administrator wrote that for a reason, and apt may read it after our file.
        if let Some(program) = &self.foreign {
            return Err(Stop::refused(format!(
                "apt's configuration replaces a method with {} (Dir::Bin::Methods): remove that, or name the sources one by one. Nothing was changed.",
                printable(program)
            )));
        }
        self.can_be_wrapped(METHODS)?;
        let (path, text) = self.override_file();
        let was = match trusted.read(&path, MAX_FILE) {
            Ok(was) => Some(was),
            Err(error) if error.is_missing() => None,
            Err(error) => return Err(Stop::refused(format!("{error}. Nothing was changed."))),
        };
        if was.as_ref().is_some_and(|it| *it != text) {
            return Err(Stop::refused(format!(
                "{} exists with other content: check it first. Nothing was changed.",
                path.display()
            )));
        }
        if was.is_none() {
            change.beside(path, None, text);
        }
        Ok(())
    }

    /// Checks that the methods for these URIs are there: apt could download nothing without its
    /// method.
    fn can_be_wrapped<'a>(&self, uris: impl IntoIterator<Item = &'a str>) -> Result<(), Stop> {
        for uri in uris {
            let method = uri.split(':').next().unwrap_or_default();
            let program = self.methods.join(format!("{PREFIX}{method}"));
            let is_program =
                |it: fs::Metadata| it.is_file() && it.permissions().mode() & 0o111 != 0;
            if !program.metadata().is_ok_and(is_program) {
                return Err(Stop::refused(format!(
                    "there is no {}, so apt could download nothing: install the package apt-quorum first, or leave the sources as they are. Nothing was changed.",
                    program.display()
                )));
            }
        }
        Ok(())
    }
}

/// Returns the text of a file where these of its URIs, which are all judged, have no prefix.
fn plain<'a>(text: &str, uris: impl IntoIterator<Item = &'a SourceUri>) -> String {
    let mut places: Vec<usize> = uris.into_iter().map(|it| it.at).collect();
    places.sort_unstable();
    let mut out = text.to_owned();
    // From the last to the first: the places before stay where they are.
    for at in places.into_iter().rev() {
        let end = at + PREFIX.len();
        // A prefix that is written in another way (`%2b`) is for a person to take out.
        if out.get(at..end) == Some(PREFIX) {
            out.replace_range(at..end, "");
        }
    }
    out
}

fn foreign(apt: &Configuration, method: &str) -> Option<String> {
    let program = apt.find(&format!("Dir::Bin::Methods::{method}"))?;
    (!is_overridden(apt, method)).then(|| program.to_owned())
}

fn is_overridden(apt: &Configuration, method: &str) -> bool {
    let program = apt.find(&format!("Dir::Bin::Methods::{method}")).map(Path::new);
    let name = program.and_then(Path::file_name);
    name.is_some_and(|name| name.to_string_lossy().starts_with(PREFIX))
}
