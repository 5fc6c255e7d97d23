//! `apt-quorum exception add`: lets packages pass without a quorum.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::args::ExceptionAdd;
use super::{
    ChangedExceptions, Exit, Stop, World, expires, file, left, list, not_as_intended, now,
    reference, say, say_first,
};
use crate::cli::loose::Width;
use crate::cli::output::about;
use crate::cli::world::agree;
use crate::cli::{files, loose};
use crate::config::{Change, exception_table};
use crate::policy::{Exception, ExceptionId, Matcher, Place};
use crate::types::{DebVersion, Glob, PackageName, Timestamp, printable};

pub(super) fn run(arguments: &ExceptionAdd) -> Result<Exit, Stop> {
    let now = now();
    let matcher = matcher(arguments)?;
    let expires = expires(&arguments.end, now)?;
    if arguments.reason.trim().is_empty() {
        return Err(Stop::wrong("--reason is empty: write why these packages are exempted."));
    }
    let path = file(name(&arguments.file)?);
    let world = World::open(&arguments.directory)?;
    if let Some(same) = in_force(&matcher, &world, now) {
        return repeated(same, arguments, expires, &world, now);
    }
    let id = match &arguments.id {
        Some(id) => id.clone(),
        None => new_id(&matcher, world.config.policy.exceptions())
            .ok_or_else(|| Stop::wrong("give the exception a name with --id."))?,
    };
    let mut change = Change::of(&world.config.directory);
    let comment = format!("Added with apt-quorum exception add on {}.", now.date());
    let table = exception_table(&comment, Some(&id), &matcher, &arguments.reason, expires);
    let file = world.config.directory.join(&path);
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
    let place = Place {
        file: printable(&arguments.file).to_string(),
        line: before.matches('\n').count() + 2,
    };
    let text = format!("{before}{table}");
    match was {
        Some(was) => change.edit(&path, was, text),
        None => change.create(&path, text),
    }
    let reason = arguments.reason.clone();
    let meant = Exception::new(place, matcher, reason, expires).with_id(Some(id));
    if Width::of(&meant.matcher).is_some_and(|it| it != Width::Versions) && !arguments.yes {
        change.check(world.trusted)?;
        if !arguments.json {
            say_first(&list::line(&meant, now))?;
        }
        agree("Exempt all of these packages? Type yes: ", false, arguments.json)?;
    }
    let config = change.apply(world.trusted)?;
    // The configuration, read again, must have the exception that was asked for.
    let mut exceptions = config.policy.exceptions().iter();
    let written = exceptions
        .find(|it| {
            it.matcher.conditions() == meant.matcher.conditions() && it.exemption == meant.exemption
        })
        .ok_or_else(|| not_as_intended(&file))?;
    if arguments.json {
        return Ok(say(&ChangedExceptions::of(true, [written], now), Exit::Admitted));
    }
    let mut text = list::line(written, now);
    text += match () {
        () if written.is_bound_to_bytes() && written.matcher.package.is_none() => {
            "Applies to the file with this SHA-256 only, whatever its control data says.\n"
        }
        () if written.is_bound_to_bytes() => "Applies to this file only.\n",
        () if written.matcher.version.is_none() => {
            "Applies to all future versions; use --version or a .deb to limit it.\n"
        }
        () => "Applies to this name and version where an index of apt lists them.\n",
    };
    if let Some(note) = loose::exception(written) {
        text += &format!("note: {note}.\n");
    }
    Ok(say(&text, Exit::Admitted))
}

/// Returns the exception that is in force under the same conditions, in any order of values.
fn in_force<'w>(matcher: &Matcher, world: &'w World, now: Timestamp) -> Option<&'w Exception> {
    let sorted = |matcher: &Matcher| -> BTreeMap<&'static str, BTreeSet<String>> {
        let conditions = matcher.conditions().into_iter();
        conditions.map(|(key, values)| (key, values.into_iter().collect())).collect()
    };
    let wanted = sorted(matcher);
    let mut exceptions = world.config.policy.exceptions().iter();
    exceptions.find(|it| now < it.exemption.expires && sorted(&it.matcher) == wanted)
}

/// Ends a command whose exception is there already: with success only if it is the very same.
fn repeated(
    same: &Exception,
    arguments: &ExceptionAdd,
    expires: Timestamp,
    world: &World,
    now: Timestamp,
) -> Result<Exit, Stop> {
    let called = reference(same);
    let of_name = arguments.id.as_ref().is_none_or(|id| same.exemption.id.as_ref() == Some(id));
    if of_name && same.exemption.reason == arguments.reason && same.exemption.expires == expires {
        let text = match arguments.json {
            true => ChangedExceptions::of(false, [same], now),
            false => {
                format!("This exception is there already, as {called}: nothing was changed.\n")
            }
        };
        return Ok(say(&text, Exit::Admitted));
    }
    Err(Stop::refused(format!(
        "the exception {called} has the same conditions and applies {}. Nothing was changed. To give it another end: apt-quorum exception renew {called} --days 30{}",
        left(same.exemption.expires, now),
        world.option()
    )))
}

/// Makes an id from the first condition: `hello-1`. Returns nothing if all such are taken.
fn new_id(matcher: &Matcher, there: &[Exception]) -> Option<ExceptionId> {
    let conditions = matcher.conditions();
    let (key, values) = conditions.first()?;
    let mut base = String::new();
    for c in values.first()?.to_ascii_lowercase().chars().take(40) {
        match c {
            'a'..='z' | '0'..='9' => base.push(c),
            _ if base.is_empty() || base.ends_with('-') => {}
            _ => base.push('-'),
        }
    }
    if *key == "sha256" {
        base.truncate(8);
    }
    let base = match base.trim_end_matches('-') {
        "" => "any",
        base => base,
    };
    (1..10_000).find_map(|number| {
        let id = format!("{base}-{number}").parse().ok()?;
        let taken = there.iter().any(|it| it.exemption.id.as_ref() == Some(&id));
        (!taken).then_some(id)
    })
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
