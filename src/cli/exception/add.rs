//! `apt-quorum exception add`: lets packages pass without a quorum.

use std::path::Path;

use super::args::ExceptionAdd;
use super::{DAY, Exit, Stop, World, file, list, now, say};
use crate::cli::output::about;
use crate::cli::{files, loose};
use crate::config::{Change, exception_table};
use crate::policy::{Exception, Matcher, Place};
use crate::types::{DebVersion, Glob, PackageName, Timestamp, printable};

pub(super) fn run(arguments: &ExceptionAdd) -> Result<Exit, Stop> {
    let now = now();
    let matcher = matcher(arguments)?;
    let expires = expires(arguments, now)?;
    if arguments.reason.trim().is_empty() {
        return Err(Stop::wrong("--reason is empty: write why these packages are exempted."));
    }
    let path = file(name(&arguments.file)?);
    let world = World::open(&arguments.directory)?;
    let mut change = Change::of(&world.config.directory);
    let comment = format!("Added with apt-quorum exception add on {}.", now.date());
    let table = exception_table(&comment, &matcher, &arguments.reason, expires);
    let place = world.config.directory.join(&path);
    let was = match world.read(&path) {
        Ok(was) => Some(was),
        Err(error) if error.is_missing() => None,
        Err(error) => return Err(Stop::refused(format!("{error}. Nothing was changed."))),
    };
    let before = match &was {
        Some(was) if was.is_empty() || was.ends_with("\n\n") => was.clone(),
        Some(was) if was.ends_with('\n') => format!("{was}\n"),
        Some(was) => format!("{was}\n\n"),
        None => String::new(),
    };
    let line = before.matches('\n').count() + 2;
    let text = format!("{before}{table}");
    match was {
        Some(was) => change.edit(&path, was, text),
        None => change.create(&path, text),
    }
    let config = change.apply(world.trusted)?;
    let called = Place { file: printable(&arguments.file).to_string(), line };
    let written = config.policy.exceptions().iter().find(|it| it.exemption.place == called);
    // The configuration, read again, must have the exception that was asked for.
    let written = written.filter(|it| is_as_meant(it, &matcher, arguments, expires));
    let written = written.ok_or_else(|| {
        Stop::refused(format!(
            "{} was written, but its content is not as intended: check it.",
            place.display()
        ))
    })?;
    let mut text = list::line(written, now);
    text += match () {
        () if written.is_bound_to_bytes() && written.matcher.package.is_none() => {
            "Applies to the file with this SHA-256 only, whatever its control data says.\n"
        }
        () if written.is_bound_to_bytes() => "Applies to this file only.\n",
        () if matcher.version.is_none() => {
            "Applies to all future versions; use --version or a .deb to limit it.\n"
        }
        () => "Applies to this name and version where an index of apt lists them.\n",
    };
    if let Some(note) = loose::exception(written) {
        text += &format!("note: {note}.\n");
    }
    Ok(say(&text, Exit::Admitted))
}

fn is_as_meant(
    written: &Exception,
    matcher: &Matcher,
    arguments: &ExceptionAdd,
    expires: Timestamp,
) -> bool {
    written.matcher.conditions() == matcher.conditions()
        && written.exemption.reason == arguments.reason
        && written.exemption.expires == expires
}

/// Returns the conditions of the exception.
fn matcher(arguments: &ExceptionAdd) -> Result<Matcher, Stop> {
    fn given<T: Clone>(values: &[T]) -> Option<Vec<T>> {
        (!values.is_empty()).then(|| values.to_vec())
    }
    let mut matcher = Matcher {
        package: given(&arguments.package),
        version: given(&arguments.version),
        source: given(&arguments.source),
        architecture: given(&arguments.architecture),
        sha256: given(&arguments.sha256),
        origin: given(&arguments.origin),
        label: given(&arguments.label),
        suite: given(&arguments.suite),
        codename: given(&arguments.codename),
        component: given(&arguments.component),
        site: given(&arguments.site),
        signed_by: given(&arguments.signed_by),
    };
    let Some(what) = &arguments.what else { return Ok(matcher) };
    let twice = |flag: &str| {
        Stop::wrong(format!("{} says that already: leave {flag} out.", printable(what)))
    };
    if matcher.package.is_some() {
        return Err(twice("--package"));
    }
    if files::is_file(what) {
        if matcher.sha256.is_some() {
            return Err(twice("--sha256"));
        }
        if matcher.version.is_some() {
            return Err(twice("--version"));
        }
        let path = Path::new(what);
        let examined = files::examined(path).map_err(Stop::wrong)?;
        match examined.control() {
            // The hash is what binds; the name and version are for people who read it later.
            Ok(control) => {
                matcher.package = Some(vec![exactly(control.identity.package.as_str())?]);
                matcher.version = Some(vec![exactly(control.identity.version.as_str())?]);
            }
            Err(why) if why.is_beyond_exceptions() => {
                return Err(Stop::wrong(format!("{}.", about(path, why))));
            }
            // The exception is for the bytes alone, whatever dpkg takes the file for.
            Err(why) if !matcher.is_empty() => {
                let flags = "exempt it by its SHA-256 alone, without other conditions";
                return Err(Stop::wrong(format!("{}: {flags}.", about(path, why))));
            }
            Err(_) => {}
        }
        matcher.sha256 = Some(vec![examined.sha256()]);
        return Ok(matcher);
    }
    let (name, version) = files::name_and_version(what);
    let wrong = |why: &dyn std::fmt::Display| {
        Stop::wrong(format!(
            "{}: {why} (a file is named with a / or .deb, patterns are given with --package).",
            printable(what)
        ))
    };
    let name: PackageName = name.parse().map_err(|why| wrong(&why))?;
    matcher.package = Some(vec![exactly(name.as_str())?]);
    if let Some(version) = version {
        if matcher.version.is_some() {
            return Err(twice("--version"));
        }
        let version: DebVersion = version.parse().map_err(|why| wrong(&why))?;
        matcher.version = Some(vec![exactly(version.as_str())?]);
    }
    Ok(matcher)
}

/// A pattern that matches this and nothing else: names and versions have no `*` and no `?`.
fn exactly(text: &str) -> Result<Glob, Stop> {
    text.parse().map_err(|why| Stop::wrong(format!("{}: {why}.", printable(text))))
}

/// Returns the first moment at which the exception no longer applies: the beginning of a day in
/// UTC.
fn expires(arguments: &ExceptionAdd, now: Timestamp) -> Result<Timestamp, Stop> {
    let expires = match (arguments.expires, arguments.days) {
        (Some(day), _) => Some(day),
        (None, days) => {
            // The rest of today, and so many days.
            let whole_days = now.as_unix().div_euclid(DAY) + i64::from(days.unwrap_or(0)) + 1;
            Timestamp::from_unix(whole_days * DAY).ok()
        }
    };
    match expires {
        Some(expires) if expires > now => Ok(expires),
        Some(expires) => {
            Err(Stop::wrong(format!("expiry date {} is in the past.", expires.date())))
        }
        None => Err(Stop::wrong("--days is too large.")),
    }
}

/// Checks the name of a file in `exceptions.d`. Such a file is read only if its name ends in
/// `.toml`.
fn name(name: &str) -> Result<&str, Stop> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    if name.ends_with(".toml") && name.chars().all(plain) && !name.starts_with('.') {
        return Ok(name);
    }
    Err(Stop::wrong(format!(
        "--file {}: write the name of a file in exceptions.d, such as local.toml.",
        printable(name)
    )))
}
