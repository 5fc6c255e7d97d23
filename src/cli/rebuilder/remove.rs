//! `apt-quorum rebuilder remove`: ends the trust in a rebuilder.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::PathBuf;

use super::super::Exit;
use super::super::args::RebuilderRemove;
use super::super::world::ask;
use super::{Stop, World, say, say_first, show};
use crate::config::Change;

pub(super) fn run(arguments: &RebuilderRemove) -> Result<Exit, Stop> {
    let world = World::open(&arguments.directory)?;
    let (name, rebuilder) = world.rebuilder(&arguments.name)?;
    let others = world.config.rebuilders.iter().filter(|(it, _)| *it != name);
    let kept: BTreeSet<&PathBuf> = others.flat_map(|(_, it)| &it.key_files).collect();
    let own = world.config.directory.join("rebuilders.d");
    // A file elsewhere, or one that another rebuilder's file names, is not this rebuilder's alone.
    let keys = rebuilder.key_files.iter().filter(|it| it.starts_with(&own) && !kept.contains(it));
    let mut change = Change::of(&world.config.directory);
    let mut text = format!("{name}: these files will be deleted:\n");
    for path in std::iter::once(&rebuilder.file).chain(keys) {
        change.remove(world.relative(path)?);
        let _ = writeln!(text, "  {}", path.display());
    }
    change.check(world.trusted)?;
    say_first(&text)?;
    if !arguments.yes {
        ask("Delete them? Type yes: ", "--yes")?;
    }
    let config = change.apply(world.trusted)?;
    let mut text = format!("{name} is no longer a rebuilder.\n");
    show::policy(&mut text, &config, &world.option());
    Ok(say(&text, Exit::Admitted))
}
