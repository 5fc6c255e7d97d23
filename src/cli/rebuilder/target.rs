//! The argument of `rebuilder add`: a URL, the name of a description, or the path of one.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::super::args::NewRebuilder;
use super::{Stop, World};
use crate::attest::repository::Terms;
use crate::config::{BUNDLE_SUFFIX, DESCRIPTIONS, Description, DraftEndpoint, Endpoint, Protocol};
use crate::types::{Architecture, RebuilderName, printable};

/// A rebuilder that could be added: all but its keys.
#[derive(Clone)]
pub(in crate::cli) struct RebuilderTarget {
    pub(super) name: RebuilderName,
    pub(super) description: Option<String>,
    pub(super) contact: Option<String>,
    pub(super) endpoints: Vec<DraftEndpoint>,
    /// True if the protocol was only guessed
    pub(super) guessed: bool,
}

impl RebuilderTarget {
    pub(in crate::cli) fn of(arguments: &NewRebuilder, world: &World) -> Result<Self, Stop> {
        let wanted = arguments.architecture.iter().map(|text| {
            let shown = printable(text);
            text.parse().map_err(|error| Stop::wrong(format!("--architecture {shown}: {error}.")))
        });
        let wanted: BTreeSet<Architecture> = wanted.collect::<Result<_, _>>()?;
        let what = arguments.what.as_str();
        let mut target = if what.contains("://") {
            Self::at_url(arguments, &wanted)?
        } else {
            if arguments.protocol.is_some() {
                return Err(Stop::wrong(
                    "a description gives the protocol itself: leave --protocol out.",
                ));
            }
            let path = if what.contains('/') || what.ends_with(".toml") {
                PathBuf::from(what)
            } else {
                shipped(what, world)?
            };
            Self::described(&path, &wanted, world)?
        };
        if let Some(name) = &arguments.name {
            target.name = rebuilder_name(name)?;
        }
        if let Some(contact) = &arguments.contact {
            target.contact = Some(contact.clone());
        }
        Ok(target)
    }

    /// Stops if a rebuilder of this name is trusted already.
    pub(in crate::cli) fn must_be_new(&self, world: &World) -> Result<(), Stop> {
        match world.config.rebuilders.get(&self.name) {
            None => Ok(()),
            Some(there) => Err(Stop::refused(format!(
                "there is a rebuilder {name} already ({}). To add a key: apt-quorum rebuilder add-key {name}{}. For another rebuilder, add --name",
                there.file.display(),
                world.option(),
                name = self.name,
            ))),
        }
    }

    /// Returns true if these are its endpoints.
    pub(super) fn has_endpoints(&self, there: &[&Endpoint]) -> bool {
        let is = |own: &DraftEndpoint, it: &Endpoint| {
            (own.protocol == it.protocol || self.guessed)
                && own.url == it.url
                && own.architectures == it.architectures
                && own.archive == it.archive
        };
        self.endpoints.len() == there.len()
            && self.endpoints.iter().all(|own| there.iter().any(|it| is(own, it)))
            && there.iter().all(|it| self.endpoints.iter().any(|own| is(own, it)))
    }

    /// Leaves out endpoints that are asked only for other architectures than these.
    pub(in crate::cli) fn leave_out_others(
        &mut self,
        kept: &BTreeSet<Architecture>,
    ) -> Result<(), Stop> {
        let own = |it: &DraftEndpoint| it.architectures.is_some();
        let endpoints = std::mem::take(&mut self.endpoints).into_iter();
        let narrowed = |it| if own(&it) { narrowed(it, kept) } else { Some(it) };
        self.endpoints = endpoints.filter_map(narrowed).collect();
        if self.endpoints.is_empty() {
            return Err(Stop::wrong(format!(
                "{} has no endpoint for this machine's architectures.",
                self.name
            )));
        }
        Ok(())
    }

    pub(in crate::cli) const fn name(&self) -> &RebuilderName {
        &self.name
    }

    fn described(
        path: &Path,
        wanted: &BTreeSet<Architecture>,
        world: &World,
    ) -> Result<Self, Stop> {
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let Description { name, description, contact, endpoints } =
            Description::read(&path, world.trusted).map_err(|problems| {
                Stop::wrong(format!(
                    "this is not a description of a rebuilder:\n\n{}",
                    problems.lines()
                ))
            })?;
        let narrowed = endpoints.into_iter().filter_map(|it| narrowed(it.into(), wanted));
        let endpoints: Vec<DraftEndpoint> = narrowed.collect();
        if endpoints.is_empty() {
            return Err(Stop::wrong(format!("{name} has no endpoint for these architectures.")));
        }
        Ok(Self { name, description: Some(description), contact, endpoints, guessed: false })
    }

    fn at_url(arguments: &NewRebuilder, wanted: &BTreeSet<Architecture>) -> Result<Self, Stop> {
        let shown = printable(&arguments.what);
        let wrong = |why: &str| Stop::wrong(format!("{shown}: {why}."));
        let mut url: reqwest::Url =
            arguments.what.parse().map_err(|_| wrong("this is not a valid URL"))?;
        // The reader of the configuration says the same, but only after the rebuilder was asked.
        if !url.username().is_empty() || url.password().is_some() {
            return Err(wrong("a URL here must not contain a user name or password"));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(wrong("a URL here must end with its path, without ? and #"));
        }
        let bundle = url.path().ends_with(BUNDLE_SUFFIX);
        if !url.path().ends_with('/') && !bundle {
            url.set_path(&format!("{}/", url.path()));
        }
        let said = arguments.protocol.as_deref();
        let said = said.and_then(|said| Protocol::ALL.into_iter().find(|it| it.name() == said));
        let protocol = match (said, url.scheme()) {
            (Some(protocol), _) => protocol,
            (None, "file") => Protocol::Directory,
            (None, "http" | "https") if bundle => Protocol::Directory,
            (None, "http" | "https") => Protocol::Rebuilderd,
            (None, _) => return Err(wrong("only https, http and file URLs are supported")),
        };
        let name = match (&arguments.name, url.host_str()) {
            (Some(name), _) => rebuilder_name(name)?,
            (None, Some(host)) => host.parse().map_err(|_| wrong("give it a name with --name"))?,
            (None, None) => return Err(wrong("give it a name with --name")),
        };
        let architectures = Some(wanted.clone()).filter(|it| !it.is_empty());
        let archive = terms(arguments, protocol, &name)?;
        Ok(Self {
            name,
            description: None,
            contact: None,
            endpoints: vec![DraftEndpoint { protocol, url, architectures, archive }],
            guessed: said.is_none(),
        })
    }
}

/// Returns the terms by which an archive counts as a rebuilder; none for another protocol.
fn terms(
    arguments: &NewRebuilder,
    protocol: Protocol,
    name: &RebuilderName,
) -> Result<Option<Terms>, Stop> {
    let given = (&arguments.suite, arguments.component.as_slice(), &arguments.taken_over);
    match (protocol, given) {
        (Protocol::Archive, (Some(suite), [_, ..], Some(taken_over))) => Ok(Some(Terms {
            rebuilder: name.clone(),
            suite: suite.clone(),
            components: arguments.component.clone(),
            taken_over: taken_over.clone(),
        })),
        (Protocol::Archive, _) => {
            Err(Stop::wrong("an archive needs --suite, --component and --taken-over.".to_owned()))
        }
        (_, (None, [], None)) => Ok(None),
        _ => Err(Stop::wrong(
            "--suite, --component and --taken-over belong to --protocol archive.".to_owned(),
        )),
    }
}

fn rebuilder_name(text: &str) -> Result<RebuilderName, Stop> {
    text.parse().map_err(|error| Stop::wrong(format!("--name {}: {error}.", printable(text))))
}

/// Returns the directory of the descriptions that came with the package, and their names.
fn all_shipped(world: &World) -> (PathBuf, BTreeSet<RebuilderName>) {
    let directory = world.apt.path("APT::Quorum::Rebuilders", DESCRIPTIONS);
    let names = Description::names(&directory, world.trusted);
    (directory, names)
}

/// Reads the descriptions that came with the package. Passes over one that cannot be read.
pub(in crate::cli) fn descriptions(world: &World) -> Vec<Description> {
    let (directory, names) = all_shipped(world);
    let read = |name| Description::read(&directory.join(format!("{name}.toml")), world.trusted);
    names.iter().filter_map(|name| read(name).ok()).collect()
}

/// Returns the path of the description of this name that came with the package.
fn shipped(name: &str, world: &World) -> Result<PathBuf, Stop> {
    let (directory, names) = all_shipped(world);
    match names.iter().find(|it| it.as_str() == name) {
        Some(name) => Ok(directory.join(format!("{name}.toml"))),
        None => {
            let known: String = descriptions(world)
                .iter()
                .take(50)
                .map(|it| format!("\n  {}: {}", it.name, printable(&it.description)))
                .collect();
            let known = if known.is_empty() { " none.".to_owned() } else { known };
            Err(Stop::wrong(format!(
                "{} is not a URL, a path with a / in it, or a description in {}. Descriptions there:{known}",
                printable(name),
                directory.display()
            )))
        }
    }
}

/// Returns the endpoint for these architectures only; none if it has none of them.
fn narrowed(endpoint: DraftEndpoint, wanted: &BTreeSet<Architecture>) -> Option<DraftEndpoint> {
    if wanted.is_empty() {
        return Some(endpoint);
    }
    let architectures: BTreeSet<Architecture> = match &endpoint.architectures {
        Some(own) => own.intersection(wanted).cloned().collect(),
        None => wanted.clone(),
    };
    (!architectures.is_empty())
        .then_some(DraftEndpoint { architectures: Some(architectures), ..endpoint })
}
