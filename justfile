# What a developer does here. `just` lists it.

_list:
    @just --list --unsorted

# Build and run, as in `just run serve echo`
run *ARGS:
    cargo run --release --locked -- {{ARGS}}

# All tests: the command of the README
test:
    cargo test --workspace --locked

# Everything that must hold before a change lands
ci:
    bash .ci/run

# Format, then look for what the linter finds
tidy:
    cargo fmt --all
    cargo clippy --workspace --all-targets --locked -- -D warnings

# Licences, duplicates and sources of the dependencies (needs cargo-deny)
deny:
    cargo deny --locked check bans licenses sources

# Write the generated documents anew: docs/events.md, tests/snapshots/. Then read the difference
bless:
    ENCHUFE_BLESS=1 cargo test --workspace --locked

# Compare every row with tshark's: of the crafted captures, of those below DIR, `--random SEED`; `--bless` writes the golden files
oracle *ARGS:
    ci/oracle {{ARGS}}

# Build target/windows/enchufe.exe and try it under Wine (Debian's packages: see ci/windows); `--build` only builds it, `--release` optimized
windows *ARGS:
    ci/windows {{ARGS}}

# What takes long, on every engine: minutes of churn with faults, clients that misbehave, kill -9, bulk (half an hour; prints what it saw)
soak MINUTES="10" CLIENTS="100000":
    bash ci/soak {{MINUTES}} {{CLIENTS}}

# Repeat the tests that talk over sockets, to find what happens once in a hundred runs
repeat TIMES="50":
    cargo test --workspace --locked --no-run
    for turn in $(seq {{TIMES}}); do cargo test --workspace --locked --quiet >/dev/null || exit 1; done

# So many clients that misbehave, at each engine; prints what the server held before and afterwards
unruly CLIENTS="100000":
    UNRULY_CLIENTS={{CLIENTS}} cargo test --release --locked --test unruly -- --nocapture --test-threads=1

# What engines do when calls fail in ways that cannot be provoked: by a plan, in a build of its own
faults *ARGS:
    bash ci/faults {{ARGS}}

# Look for what crates/wire and crates/story cannot take, so many seconds a target (needs cargo-fuzz and a C++ compiler)
fuzz SECONDS="60" *TARGETS:
    bash ci/fuzz {{SECONDS}} {{TARGETS}}

# Measure `enchufe read` beside tcpdump and tshark (some minutes on a quiet machine)
bench-read *ARGS:
    cargo bench --locked --bench read -- {{ARGS}}

# Measure `enchufe watch -w` beside `tcpdump -w` under load (as root; in a network of its own)
bench-watch *ARGS:
    cargo bench --locked --bench watch -- {{ARGS}}

# Measure what `enchufe trace` costs the programs, beside strace, and how fast it judges (some minutes on a quiet machine)
bench-trace *ARGS:
    cargo bench --locked --bench trace -- {{ARGS}}

# Measure `enchufe serve echo` beside other echo servers (about twelve minutes on a quiet machine; `--quick`: less than three)
bench-serve *ARGS:
    cargo bench --locked --bench serve -- {{ARGS}}
