//! The hooks, at which apt and dpkg ask the gate: the files that make them ask, and the programs
//! that they start.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use serde::Serialize;

use crate::apt::configuration::{Configuration, dumped_below};
use crate::apt::sources::PREFIX;
use crate::cli::world::shown_uri;
use crate::config::Direct;

/// The name of the hook for people. This entrance counts for every package.
pub(super) const APTS_HOOK: &str = "before unpacking (apt)";

/// The program that apt starts as its hook.
const HOOK: &str = "/usr/lib/apt-quorum/pre-install-pkgs";

/// The program that apt runs before its question.
const ASK_BEFORE_PROMPT: &str = "/usr/lib/apt-quorum/ask-before-prompt";

/// The program that `ask-before-prompt` starts.
const BEFORE_PROMPT: &str = "/usr/lib/apt-quorum/before-prompt";

/// The program that dpkg starts.
const DPKG_HOOK: &str = "/usr/lib/apt-quorum/dpkg-pre-invoke";

/// The directory of dpkg's own configuration.
const DPKG_PARTS: &str = "/etc/dpkg/dpkg.cfg.d";

/// Largest file of dpkg's configuration that is read, in bytes.
const MAX_FILE: usize = 1 << 20;

/// A place at which packages are judged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct ActiveEntrance {
    pub(super) name: &'static str,
    pub(super) active: bool,
    /// True if packages come in unjudged without it
    pub(super) needed: bool,
    /// The problem with it, for people
    pub(super) remark: Option<String>,
}

/// The sources from which apt takes packages.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(super) struct Sources {
    /// The number of those that are judged while apt downloads
    pub(super) judged: usize,
    /// The other sources, whose packages the hook judges when they are there
    pub(super) others: Vec<String>,
}

/// Returns all entrances of the system in `root`, by apt's configuration there as it prints it.
pub(super) fn of(dump: &str, root: &Path, direct: Option<Direct>) -> Vec<ActiveEntrance> {
    vec![hook(dump, root), dpkg(root, direct), before_prompt(dump, root)]
}

fn hook(dump: &str, root: &Path) -> ActiveEntrance {
    let hooks = dumped_below(dump, "DPkg::Pre-Install-Pkgs");
    let hooks: Vec<&str> =
        hooks.iter().map(|(_, it)| it.as_str()).filter(|it| !it.is_empty()).collect();
    let mut apt = Configuration::default();
    apt.add_dump(dump);
    let version = apt.find(&format!("DPkg::Tools::Options::{HOOK}::Version"));
    let remark = match hooks.iter().position(|it| *it == HOOK) {
        None => Some(not_asked(root, "etc/apt/apt.conf.d/00apt-quorum", "apt")),
        Some(_) if version != Some("3") => {
            Some("apt gives it too little data: 00apt-quorum was changed".to_owned())
        }
        Some(at) if at > 0 => Some("another package's hook runs before it".to_owned()),
        Some(_) => cannot_run(root, HOOK),
    };
    ActiveEntrance { name: APTS_HOOK, active: remark.is_none(), needed: true, remark }
}

fn before_prompt(dump: &str, root: &Path) -> ActiveEntrance {
    let asks = |kind: &str| {
        let hooks = dumped_below(dump, &format!("AptCli::Hooks::{kind}"));
        // The latter, behind a condition, was what the package shipped once.
        hooks.iter().any(|(_, it)| {
            matches!(it.split_ascii_whitespace().last(), Some(ASK_BEFORE_PROMPT | BEFORE_PROMPT))
        })
    };
    let remark = if asks("Install") && asks("Upgrade") {
        cannot_run(root, ASK_BEFORE_PROMPT).or_else(|| cannot_run(root, BEFORE_PROMPT))
    } else {
        Some(not_asked(root, "etc/apt/apt.conf.d/90apt-quorum-before-prompt", "apt"))
    };
    ActiveEntrance { name: "before apt's prompt", active: remark.is_none(), needed: false, remark }
}

fn dpkg(root: &Path, direct: Option<Direct>) -> ActiveEntrance {
    let parts = below(root, DPKG_PARTS);
    let asks = std::fs::read_dir(parts).into_iter().flatten().flatten().any(|entry| {
        let name = entry.file_name();
        // dpkg passes over all other names.
        let plain = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        name.as_encoded_bytes().iter().all(plain) && starts_gate(&entry.path())
    });
    let remark = if direct == Some(Direct::Pass) {
        Some("policy.toml has dpkg = \"pass\": only apt is checked".to_owned())
    } else if asks {
        cannot_run(root, DPKG_HOOK)
    } else {
        Some(not_asked(root, "etc/dpkg/dpkg.cfg.d/apt-quorum", "dpkg"))
    };
    ActiveEntrance {
        name: "before unpacking (dpkg)",
        active: remark.is_none(),
        needed: true,
        remark,
    }
}

/// Returns true if dpkg starts the gate because of this file, or of the file that this link leads
/// to.
fn starts_gate(path: &Path) -> bool {
    let text = std::fs::canonicalize(path)
        .ok()
        .and_then(|it| crate::sys::files::read_bounded(&it, MAX_FILE))
        .unwrap_or_default();
    String::from_utf8_lossy(&text)
        .lines()
        .any(|line| line.trim_start().starts_with("pre-invoke") && line.contains(DPKG_HOOK))
}

/// Returns the reason why `who` does not ask, as far as the files tell.
fn not_asked(root: &Path, file: &str, who: &str) -> String {
    if std::fs::symlink_metadata(root.join(format!("{file}.disabled"))).is_ok() {
        format!("{who} does not run it: /{file} was renamed to /{file}.disabled")
    } else if root.join(file).exists() {
        format!("{who} does not run it, although there is /{file}")
    } else if root.join(file).is_symlink() {
        format!("{who} does not run it: /{file} is a broken link")
    } else {
        format!("{who} does not run it: there is no /{file}")
    }
}

/// Returns the reason why a program cannot be started; none if it can.
fn cannot_run(root: &Path, program: &str) -> Option<String> {
    match std::fs::metadata(below(root, program)) {
        Ok(it) if it.is_file() && it.permissions().mode() & 0o111 != 0 => None,
        Ok(_) => Some(format!("{program} is not executable")),
        Err(_) => Some(format!("{program} is missing: nothing can be installed")),
    }
}

fn below(root: &Path, path: &str) -> std::path::PathBuf {
    root.join(path.trim_start_matches('/'))
}

/// Returns the sources of apt, as apt itself reads them; none if it does not tell.
pub(super) fn sources(dump: &str) -> Option<Sources> {
    let output = Command::new("/usr/bin/apt-get")
        .args(["indextargets", "--format", "$(REPO_URI)", "Created-By: Packages"])
        .env("LC_ALL", "C")
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .ok()
        .filter(|it| it.status.success())?;
    Some(sorted_out(&String::from_utf8_lossy(&output.stdout), dump))
}

fn sorted_out(uris: &str, dump: &str) -> Sources {
    let overridden = dumped_below(dump, "Dir::Bin::Methods");
    let is_ours = |method: &str| {
        let by_name = overridden.iter().find(|(name, _)| name == method).map(|(_, it)| it.as_str());
        match by_name {
            Some(program) => Path::new(program)
                .file_name()
                .is_some_and(|it| it.to_string_lossy().starts_with(PREFIX)),
            None => method.starts_with(PREFIX),
        }
    };
    let all: std::collections::BTreeSet<&str> =
        uris.lines().map(str::trim).filter(|it| !it.is_empty()).collect();
    let mut sources = Sources::default();
    for uri in all {
        let method = uri.split(':').next().unwrap_or_default();
        if is_ours(method) {
            sources.judged += 1;
        } else {
            sources.others.push(shown_uri(uri));
        }
    }
    sources
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const DUMP: &str = "DPkg::Pre-Install-Pkgs \"\";\n\
        DPkg::Pre-Install-Pkgs:: \"/usr/lib/apt-quorum/pre-install-pkgs\";\n\
        DPkg::Pre-Install-Pkgs:: \"/usr/sbin/dpkg-preconfigure --apt || true\";\n\
        DPkg::Tools::Options::/usr/lib/apt-quorum/pre-install-pkgs::Version \"3\";\n\
        AptCli::Hooks::Install:: \"/usr/lib/apt-quorum/ask-before-prompt\";\n\
        AptCli::Hooks::Upgrade:: \"/usr/lib/apt-quorum/ask-before-prompt\";\n";

    /// A system as the package installs it.
    fn system() -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for directory in ["usr/lib/apt-quorum", "etc/dpkg/dpkg.cfg.d", "etc/apt/apt.conf.d"] {
            fs::create_dir_all(root.path().join(directory)).unwrap();
        }
        for program in [HOOK, ASK_BEFORE_PROMPT, BEFORE_PROMPT, DPKG_HOOK] {
            let path = below(root.path(), program);
            fs::write(&path, "").unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        }
        let shipped = include_str!("../../../apt-conf/dpkg/apt-quorum");
        fs::write(root.path().join("shipped"), shipped).unwrap();
        // As the package has it: a link to what it ships.
        let gate = root.path().join("etc/dpkg/dpkg.cfg.d/apt-quorum");
        std::os::unix::fs::symlink(root.path().join("shipped"), gate).unwrap();
        root
    }

    fn remarks(dump: &str, root: &Path, direct: Direct) -> Vec<Option<String>> {
        let all = of(dump, root, Some(direct));
        assert!(all.iter().all(|it| it.active == it.remark.is_none()));
        all.into_iter().map(|it| it.remark).collect()
    }

    #[test]
    fn all_are_active_as_they_are_installed() {
        let root = system();
        assert_eq!(remarks(DUMP, root.path(), Direct::Judge), [None, None, None]);
        let passed = remarks(DUMP, root.path(), Direct::Pass).remove(1).unwrap();
        assert_eq!(passed, "policy.toml has dpkg = \"pass\": only apt is checked");
    }

    #[test]
    fn what_hinders_each_is_told() {
        let root = system();
        let at = |path: &str| root.path().join(path);
        for (dump, expected) in [
            (
                DUMP.replace("Pre-Install-Pkgs:: \"/usr/lib", "X:: \"/usr/lib"),
                "apt does not run it: there is no /etc/apt/apt.conf.d/00apt-quorum",
            ),
            (
                DUMP.replace("::Version \"3\"", "::Version \"2\""),
                "apt gives it too little data: 00apt-quorum was changed",
            ),
            (
                format!("DPkg::Pre-Install-Pkgs:: \"/bin/true\";\n{DUMP}"),
                "another package's hook runs before it",
            ),
        ] {
            assert_eq!(remarks(&dump, root.path(), Direct::Judge)[0].as_deref(), Some(expected));
        }
        let half = DUMP.replace("AptCli::Hooks::Upgrade", "AptCli::Hooks::Search");
        let prompt = remarks(&half, root.path(), Direct::Judge).remove(2).unwrap();
        assert!(prompt.starts_with("apt does not run it: "), "{prompt}");
        let gate = at("etc/dpkg/dpkg.cfg.d/apt-quorum");
        fs::rename(&gate, gate.with_extension("disabled")).unwrap();
        let aside = remarks(DUMP, root.path(), Direct::Judge).remove(1).unwrap();
        assert_eq!(
            aside,
            "dpkg does not run it: /etc/dpkg/dpkg.cfg.d/apt-quorum was renamed to /etc/dpkg/dpkg.cfg.d/apt-quorum.disabled"
        );
        fs::rename(gate.with_extension("disabled"), &gate).unwrap();
        fs::rename(at("shipped"), at("gone")).unwrap();
        let astray = remarks(DUMP, root.path(), Direct::Judge).remove(1).unwrap();
        assert_eq!(
            astray,
            "dpkg does not run it: /etc/dpkg/dpkg.cfg.d/apt-quorum is a broken link"
        );
        fs::remove_file(&gate).unwrap();
        fs::write(&gate, "# pre-invoke=/usr/lib/apt-quorum/dpkg-pre-invoke\n").unwrap();
        let commented = remarks(DUMP, root.path(), Direct::Judge).remove(1).unwrap();
        assert_eq!(
            commented,
            "dpkg does not run it, although there is /etc/dpkg/dpkg.cfg.d/apt-quorum"
        );
        fs::set_permissions(below(root.path(), BEFORE_PROMPT), fs::Permissions::from_mode(0o644))
            .unwrap();
        fs::remove_file(below(root.path(), HOOK)).unwrap();
        let all = remarks(DUMP, root.path(), Direct::Judge);
        assert_eq!(
            all[0].as_deref(),
            Some("/usr/lib/apt-quorum/pre-install-pkgs is missing: nothing can be installed")
        );
        assert_eq!(all[2].as_deref(), Some("/usr/lib/apt-quorum/before-prompt is not executable"));
    }

    #[test]
    fn sources_are_told_apart_by_their_methods() {
        let uris = "http://me:secret@a.example/debian/\nquorum+https://b.example/\nquorum+https://b.example/\ncdrom:[x]/\nhttps://c.example/x@y/\n";
        let plain = sorted_out(uris, "");
        assert_eq!(plain.judged, 1);
        assert_eq!(
            plain.others,
            ["cdrom:[x]/", "http://a.example/debian/", "https://c.example/x@y/"]
        );
        let dump = "Dir::Bin::Methods::http \"/usr/lib/apt/methods/quorum+http\";\nDir::Bin::Methods::https \"/usr/lib/apt/methods/https\";\n";
        let overridden = sorted_out(uris, dump);
        assert_eq!((overridden.judged, overridden.others.len()), (2, 2));
    }
}
