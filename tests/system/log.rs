//! What the system's log is told.

use std::os::unix::net::UnixDatagram;

use super::steps::{source_of, two_attest};
use super::table::METHOD;
use super::world::{PAST_THE_PROMPT, World};

rows! {
    logged: "the journal is told what each entrance decides, and nothing from a chroot" => METHOD;
}

/// The messages that came, each as its lines. None of them needs the form for line ends.
fn messages(journal: &UnixDatagram) -> Vec<Vec<String>> {
    let mut buffer = vec![0; 1 << 18];
    let next = || {
        let length = journal.recv(&mut buffer).ok()?;
        let text = std::str::from_utf8(&buffer[..length]).unwrap();
        assert!(text.chars().all(|c| matches!(c, ' '..='~' | '\n')), "{text:?}");
        Some(text.lines().map(str::to_owned).collect())
    };
    std::iter::from_fn(next).collect()
}

/// The values of some fields, one line a message.
fn told(journal: &UnixDatagram) -> Vec<String> {
    let fields = ["ENTRANCE", "DECISION", "PACKAGE"].map(|it| format!("APT_QUORUM_{it}="));
    let line = |message: Vec<String>| {
        assert_eq!(message.iter().filter(|it| it.starts_with("PRIORITY=")).count(), 1);
        let of = |name: &String| message.iter().find_map(|it| it.strip_prefix(name.as_str()));
        fields.iter().map(|it| of(it).unwrap_or("-")).collect::<Vec<_>>().join(" ")
    };
    messages(journal).into_iter().map(line).collect()
}

fn logged(world: &World) {
    let (good, unknown) = (world.package("good"), world.package("unknown"));
    world.source(source_of(&[good, unknown]));
    two_attest(world, good);
    let directory = world.path("/run/systemd/journal");
    std::fs::create_dir_all(&directory).unwrap();
    let journal = UnixDatagram::bind(directory.join("socket")).unwrap();
    journal.set_nonblocking(true).unwrap();
    // From the chroot, although its socket is there.
    world.install("unknown").fails();
    assert_eq!(told(&journal), [""; 0]);

    let install = |what: &str| world.machine(&format!("apt-get install -y {what}"));
    install("unknown").fails();
    assert_eq!(told(&journal), ["before-prompt refuse unknown"]);
    install(&format!("{PAST_THE_PROMPT} unknown")).fails();
    assert_eq!(told(&journal), ["method refuse unknown"]);
    install("good").succeeds();
    assert_eq!(told(&journal), ["method admit good", "hook admit good"]);
    // Into another directory; only what is not confirmed is news.
    world.write("/root/good.deb", &good.bytes);
    world.write("/root/unknown.deb", &unknown.bytes);
    world.sh("mkdir -p /mnt/var/lib/dpkg/updates /mnt/var/lib/dpkg/info; touch /mnt/var/lib/dpkg/status").succeeds();
    world.machine("rm /var/lib/apt-quorum/cleared.json; dpkg --root=/mnt --unpack /root/good.deb").succeeds();
    assert_eq!(told(&journal), [""; 0]);
    world.machine("dpkg --root=/mnt --unpack /root/unknown.deb").fails();
    assert_eq!(told(&journal), ["dpkg refuse unknown"]);
    world.machine("dpkg --unpack /root/good.deb").succeeds();
    assert_eq!(told(&journal), ["dpkg admit good"]);
    world.write("/root/x\nPRIORITY=0\nAPT_QUORUM_DECISION=admit.deb", "!<arch>\n");
    world.machine("dpkg -i /root/x*").fails();
    let refused = messages(&journal);
    assert_eq!(refused.len(), 1, "{refused:?}");
    for line in ["PRIORITY=4", "APT_QUORUM_DECISION=refuse", "APT_QUORUM_ENTRANCE=dpkg"] {
        let name = line.split_inclusive('=').next().unwrap();
        let found: Vec<&String> = refused[0].iter().filter(|it| it.starts_with(name)).collect();
        assert_eq!(found, [line]);
    }
}
