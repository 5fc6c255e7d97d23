#!/bin/sh
# Archives with the packages in /srv/files, made and signed by Debian's own tools: one by
# apt-ftparchive and gpg, with the signature inside and beside the Release file, and one by reprepro.
# The key is left beside each. /srv/taken-over lists what is said to be taken over.
set -eu

export GNUPGHOME=/srv/gnupg
mkdir -m 700 $GNUPGHOME
gpg --batch --quiet --passphrase '' --quick-generate-key 'archive <archive@localhost>' rsa3072 default never
# A subkey signs, as archives have it.
fingerprint=$(gpg --with-colons --list-keys | sed -n 's/^fpr:*\([0-9A-F]*\):$/\1/p' | head -n 1)
gpg --batch --quiet --passphrase '' --quick-add-key "$fingerprint" ed25519 sign never

by_apt_ftparchive() {
    top=/srv/$1
    suite=$top/dists/trixie
    mkdir -p "$top/pool" "$suite/main/binary-amd64"
    cp /srv/files/*.deb "$top/pool"
    cd "$top"
    apt-ftparchive packages pool >"$suite/main/binary-amd64/Packages"
    for program in gzip xz zstd; do
        $program --keep --quiet "$suite/main/binary-amd64/Packages"
    done
    cp /srv/taken-over "$suite/main/taken-over"
    apt-ftparchive \
        -o APT::FTPArchive::Release::Origin=Rebuilt -o APT::FTPArchive::Release::Suite=stable \
        -o APT::FTPArchive::Release::Codename=trixie -o APT::FTPArchive::Release::Components=main \
        -o APT::FTPArchive::Release::Architectures=amd64 \
        -o APT::FTPArchive::Release::ValidTime=86400 \
        -o APT::FTPArchive::Release::Patterns::=taken-over \
        release "$suite" >/srv/Release
    mv /srv/Release "$suite/Release"
    gpg --armor --export >"$top/key.asc"
}

by_apt_ftparchive inline
cd /srv/inline/dists/trixie
gpg --batch --quiet --clearsign --output InRelease Release
rm Release

by_apt_ftparchive detached
cd /srv/detached/dists/trixie
gpg --batch --quiet --armor --detach-sign --output Release.gpg Release

# reprepro keeps no file that it did not make; a hook puts the list in, as its manual shows.
top=/srv/reprepro
mkdir -p $top/conf
cat >$top/conf/distributions <<EOF
Origin: Rebuilt
Suite: stable
Codename: trixie
Components: main
Architectures: amd64
DebIndices: Packages Release . .gz .xz
SignWith: !/srv/sign
EOF
# It is called with what is to be signed and the names of the signatures: the list goes into the
# Release file before.
cat >/srv/sign <<'EOF'
#!/bin/sh
set -eu
directory=$(dirname "$1")
mkdir -p "$directory/main"
cp /srv/taken-over "$directory/main/taken-over"
set -- "$1" "$2" "$3"
line=" $(sha256sum </srv/taken-over | cut -d ' ' -f 1) $(stat -c %s /srv/taken-over) main/taken-over"
sed -i "/^SHA256:/a\\$line" "$1"
gpg --batch --quiet --yes --clearsign --output "$2" "$1"
gpg --batch --quiet --yes --armor --detach-sign --output "$3" "$1"
EOF
chmod 755 /srv/sign
reprepro --silent --section misc --priority optional --basedir $top includedeb trixie /srv/files/*.deb
gpg --armor --export >$top/key.asc
