# Functions that install what the scripts need on a bare Debian or Ubuntu machine. To be sourced.
# Expects $work, a temporary directory.

# Installs Debian packages.
install() {
    echo "installing $*"
    sudo=
    [ "$(id -u)" = 0 ] || sudo=sudo
    [ -e "$work/apt-updated" ] || $sudo apt-get -qq update || return 1
    : >"$work/apt-updated"
    $sudo env DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends "$@"
}

# The packages that bring a command: `need COMMAND PACKAGE...`.
need() {
    if command -v "$1" >/dev/null 2>&1; then return 0; fi
    shift
    install "$@"
}

# Debian's own cargo may be older than Cargo.toml's rust-version, so a missing one comes from rustup.
need_cargo() {
    PATH="$PATH:${CARGO_HOME:-$HOME/.cargo}/bin"
    export PATH
    if ! command -v cargo >/dev/null 2>&1; then
        # Debian has rustup from release 13 on.
        if ! need rustup rustup; then
            need curl curl ca-certificates
            curl --proto '=https' --tlsv1.2 -fsS -o "$work/rustup-init" \
                "https://static.rust-lang.org/rustup/dist/$(uname -m)-unknown-linux-gnu/rustup-init"
            chmod +x "$work/rustup-init"
            "$work/rustup-init" -y --profile minimal --no-modify-path --default-toolchain none
        fi
        # A fixed release: a later clippy may refuse what this one accepts.
        rustup toolchain install 1.95.0 --profile minimal
        rustup default 1.95.0
    fi
    cargo fmt --version >/dev/null 2>&1 || rustup component add rustfmt
    cargo clippy --version >/dev/null 2>&1 || rustup component add clippy
}
