//! What real shells complete: bash, zsh and fish, with the files that are shipped and the real
//! program behind them.

use std::path::Path;
use std::process::Command;

use crate::common::apt::with_archive;
use crate::common::{self, Deb, Key, World, left_out, run};

/// Two rebuilders, two exceptions and two packages; and files that nobody should take for more than
/// names, beside them.
fn world() -> Option<World> {
    let world = World::new();
    for name in ["alpha", "alps.example"] {
        world.rebuilder(name, &Key::new(), &[]);
    }
    let mark = world.path("mark").display().to_string();
    for bad in [format!("$(touch {mark})").replace('/', "%"), "`id`".into(), "a;b c".into()] {
        world.write(&format!("etc/rebuilders.d/{bad}.pem"), "");
    }
    let exception = |package: &str| {
        format!(
            "[[exception]]\npackage = [\"{package}\"]\nreason = \"$(touch {mark}) `touch {mark}`\"\nexpires = 2199-01-01\n"
        )
    };
    world.exception(&exception("x"));
    world.write("etc/exceptions.d/$(touch mark);.toml", exception("y"));
    world.write("etc/exceptions.d/local.toml", exception("z"));
    let debs = [Deb::new("quorum-one", "1", "all"), Deb::new("quorum-two", "1", "all")];
    let is_there = with_archive(&world, &[&debs[0], &debs[1]], &["quorum-old 1.0"]);
    // The shells find it there.
    world.make_directory("bin");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_apt-quorum"), world.path("bin/apt-quorum"))
        .unwrap();
    is_there.then_some(world)
}

fn repository(path: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path).display().to_string()
}

/// A shell that has the completions and is asked for those of `$LINE`.
fn ask(world: &World, shell: &str, script: &str, line: &str) -> Vec<String> {
    let mut command = Command::new(shell);
    command
        .arg("-c")
        .arg(script)
        .env_clear()
        .env("PATH", format!("{}:/usr/sbin:/usr/bin:/sbin:/bin", world.path("bin").display()))
        .env("HOME", world.path("files"))
        .env("APT_CONFIG", world.path("apt.conf"))
        .env("COMPLETIONS", repository("completions"))
        .env("LC_ALL", "C.UTF-8")
        .env("TERM", "dumb")
        .env("LINE", line)
        .current_dir(world.path("files"))
        .stdin(std::process::Stdio::null());
    let ended = run(&mut command);
    let mut found: Vec<String> = ended
        .stdout
        .lines()
        .map(|it| it.split('\t').next().unwrap().trim().to_owned())
        .filter(|it| !it.is_empty())
        .collect();
    found.sort();
    found.dedup();
    assert!(
        !world.path("mark").exists() && !world.path("files/mark").exists(),
        "{line}: {ended:?}"
    );
    assert_eq!(ended.code, Some(0), "{line}: {ended:?}");
    found
}

/// As readline calls a completion: with words that end at colons as well.
const BASH: &str = r#"
set -u
source /usr/share/bash-completion/bash_completion
_comp_load apt-quorum 2>/dev/null || __load_completion apt-quorum 2>/dev/null || true
source "$COMPLETIONS/bash/apt-quorum"
[[ $(complete -p apt-quorum) == "complete -F _apt_quorum apt-quorum" ]]
COMP_LINE=$LINE COMP_POINT=${#LINE} COMP_CWORD=1 COMP_WORDS=(apt-quorum x)
_apt_quorum apt-quorum x apt-quorum
(( ${#COMPREPLY[@]} == 0 )) || printf '%s\n' "${COMPREPLY[@]}"
"#;

const FISH: &str = r#"
source $COMPLETIONS/fish/apt-quorum.fish
complete -C "$LINE"
"#;

/// A second zsh behind a terminal, in which the key is pressed that completes. What it was offered
/// then goes to a file.
///
/// It is given nothing before its editor has the terminal, because until then the kernel edits the
/// line and takes keys for itself; and it is not asked for more before it says that it is done.
const ZSH: &str = r#"
zmodload zsh/zpty
zpty inner zsh -f -i
until_said() {
    local text all=''
    while zpty -r inner text; do
        all+=$text
        [[ $all == *"$1"* ]] && return
    done
}
zpty -w inner 'PS1="" ; fpath=($COMPLETIONS/zsh $fpath); autoload -Uz compinit && compinit -u -D; print READ""Y'
until_said READY
zpty -w inner 'compadd() { local -a hits; builtin compadd -O hits "$@"; (( $#hits )) && print -rl -- "${hits[@]}" >>"$HOME/.hits"; builtin compadd "$@" }; zle -C names complete-word _main_complete; press() { zle names; print DON""E }; zle -N press; bindkey "^T" press; begun() { print EDITIN""G }; zle -N zle-line-init begun'
until_said EDITING
zpty -n -w inner "$LINE"$'\x14'
until_said DONE
zpty -d inner
[[ ! -e $HOME/.hits ]] || cat "$HOME/.hits"
rm -f "$HOME/.hits"
"#;

fn has(program: &str, file: &str) -> bool {
    let there = Path::new(file).exists();
    if !there {
        left_out(&format!("what {program} completes: it is not installed"));
    }
    there
}

/// What stands on the command line, and what must come of it.
fn every_shell_completes(shell: &str, script: &str) {
    let Some(world) = world() else { return };
    let config = world.path("etc").display().to_string();
    let ask = |line: &str| ask(&world, shell, script, line);
    assert_eq!(ask("apt-quorum rebu"), ["rebuilder"]);
    assert_eq!(ask("apt-quorum mode "), ["enforce", "warn"]);
    let remove = format!("apt-quorum rebuilder remove --config {config} ");
    assert_eq!(ask(&remove), ["alpha", "alps.example"]);
    assert_eq!(ask(&format!("{remove}alps")), ["alps.example"]);
    assert_eq!(ask(&format!("apt-quorum rebuilder refresh --config {config} alph")), ["alpha"]);
    assert_eq!(ask("apt-quorum rebuilder remove --y"), ["--yes"]);
    assert_eq!(ask("apt-quorum explain quorum-"), ["quorum-old", "quorum-one", "quorum-two"]);
    let add = "apt-quorum exception add --package quorum-o";
    assert_eq!(ask(add), ["quorum-old", "quorum-one"]);
    let remove = format!("apt-quorum exception remove --config {config} ");
    let places = ["exceptions.d/local.toml:1", "exceptions.d/test.toml:1"];
    assert_eq!(ask(&remove), places);
    // bash is given what stands behind the colon.
    let rest = if shell == "bash" { "1" } else { places[0] };
    assert_eq!(ask(&format!("{remove}exceptions.d/local.toml:")), [rest]);
    // Files, where they fit.
    world.put(&Deb::new("file", "1", "all"));
    assert_eq!(ask("apt-quorum verify fil"), ["file_1_all.deb"]);
    assert!(ask("apt-quorum rebuilder remove fil").is_empty());
    // What a person typed is not run either.
    ask("apt-quorum explain $(touch mark) ");
    ask("apt-quorum explain \"$(touch mark)\" --");
}

#[test]
fn bash_completes() {
    if has("bash", "/usr/share/bash-completion/bash_completion") {
        every_shell_completes("bash", BASH);
    }
}

#[test]
fn fish_completes() {
    if has("fish", "/usr/bin/fish") {
        every_shell_completes("fish", FISH);
    }
}

#[test]
fn zsh_completes() {
    if has("zsh", "/usr/bin/zsh") {
        every_shell_completes("zsh", ZSH);
    }
}

#[test]
fn what_comes_with_the_package_can_be_added_by_name() {
    if !common::is_root() {
        left_out("the completion of what comes with the package: it takes root");
        return;
    }
    let script = r#"
        mount -t tmpfs none /usr/share
        mkdir -p /usr/share/apt-quorum/rebuilders
        install -m 644 "$REBUILDERS"/*.toml /usr/share/apt-quorum/rebuilders
        "$PROGRAM" complete -- rebuilder add reproduce.d
    "#;
    let mut command = Command::new("unshare");
    command
        .args(["--mount", "--propagation", "private", "sh", "-ec", script])
        .env("REBUILDERS", repository("apt-conf/rebuilders"))
        .env("PROGRAM", env!("CARGO_BIN_EXE_apt-quorum"));
    let ended = run(&mut command);
    // Its URL would be as good, and so would a file.
    assert_eq!((ended.code, &*ended.stdout), (Some(0), "reproduce.debian.net\n\t\n"), "{ended:?}");
}
