//! Nothing outlives us: child processes and temporary directories that go when this process does, however it dies.
//! It does I/O: processes and files.
//!
//! A destructor does not run on SIGKILL, and a parent-death signal is tied to the *thread* that started the child. So a
//! guard is a tiny shell that waits for its standard input to end. The only writing end is ours, and the kernel closes
//! it whichever way we go. Processes join the guard's process group as they start, so there is no moment at which one is
//! running and unguarded, and no process id that could have been reused by the time it is killed.

use std::{
    fs::{self, File},
    io::{self, Read as _, Seek as _, SeekFrom},
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
};

use super::Error;

/// Kills the shell's own process group, itself included. Its `$0` is a label for `ps`.
const KILL_GROUP: &str = "read -r _; kill -KILL 0";
/// Removes `$0`. More than one try, because what writes there is being killed at the same moment.
const REMOVE: &str = "read -r _; for try in 1 2 3 4 5 6 7 8 9 10; do rm -rf -- \"$0\" && exit; sleep 0.1; done";
/// How much of a program's log an error quotes.
const LAST_LINES: usize = 20;
/// How far back those lines are looked for, in bytes.
const LAST_BYTES: u64 = 16 * 1024;

/// A promise that is kept when this value is dropped or this process dies, whichever comes first.
#[derive(Debug)]
pub(super) struct Guard {
    shell: Child,
    /// `None` only while dropping.
    alive: Option<ChildStdin>,
}

impl Guard {
    /// Kills every program that was started under it. `label` shows in the process list whose they are.
    pub(super) fn over_processes(label: &Path) -> Result<Self, Error> {
        Self::start(KILL_GROUP, label)
    }

    /// Removes the directory.
    pub(super) fn over_directory(dir: &Path) -> Result<Self, Error> {
        Self::start(REMOVE, dir)
    }

    fn start(script: &str, argument: &Path) -> Result<Self, Error> {
        let mut command = Command::new("sh");
        // Its own group: Ctrl-C in a terminal goes to ours, and we decide when to stop what is guarded.
        command.arg("-c").arg(script).arg(argument).process_group(0).current_dir("/");
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut shell = spawn(&mut command)?;
        let alive = shell.stdin.take();
        Ok(Self { shell, alive })
    }

    /// Starts `command` in the group, without input.
    pub(super) fn spawn(&self, command: &mut Command) -> Result<Child, Error> {
        spawn(command.stdin(Stdio::null()).process_group(self.shell.id().cast_signed()))
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        drop(self.alive.take());
        self.shell.wait().ok();
    }
}

fn spawn(command: &mut Command) -> Result<Child, Error> {
    command
        .spawn()
        .map_err(|source| Error::Spawn { program: command.get_program().to_string_lossy().into_owned(), source })
}

/// A guarded program that writes to `<dir>/<name>.log`. Dropping it kills it and waits for its end.
#[derive(Debug)]
pub(super) struct Program {
    name: &'static str,
    log: PathBuf,
    child: Child,
}

impl Program {
    /// Starts `binary` with these flags only: of the environment it sees nothing, since etcd takes any `ETCD_*` from it.
    pub(super) fn start(
        guard: &Guard,
        binary: &Path,
        name: &'static str,
        dir: &Path,
        flags: Vec<String>,
    ) -> Result<Self, Error> {
        let log = dir.join(format!("{name}.log"));
        // Appended to, so that a program that is started again keeps what it said before.
        let output = File::options().create(true).append(true).open(&log).map_err(Error::file(&log))?;
        let errors = output.try_clone().map_err(Error::file(&log))?;
        let mut command = Command::new(binary);
        command.args(flags).env_clear().current_dir(dir).stdout(output).stderr(errors);
        let child = guard.spawn(&mut command)?;
        Ok(Self { name, log, child })
    }

    pub(super) fn name(&self) -> &'static str {
        self.name
    }

    /// An error with the last lines of its log if it has ended.
    pub(super) fn still_runs(&mut self) -> Result<(), Error> {
        match self.child.try_wait() {
            Ok(Some(status)) => Err(Error::Died { program: self.name, status, log: self.last_words() }),
            _ => Ok(()),
        }
    }

    pub(super) fn last_words(&self) -> String {
        last_lines(&self.log)
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// The last lines of a log, for an error text. A log that cannot be read is told as such: the error is about the program.
pub(super) fn last_lines(log: &Path) -> String {
    let tail = || -> io::Result<Vec<u8>> {
        let mut file = File::open(log)?;
        let length = fs::metadata(log)?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(LAST_BYTES)))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    match tail() {
        Ok(bytes) => {
            let text = String::from_utf8_lossy(&bytes);
            let lines: Vec<&str> = text.lines().collect();
            lines[lines.len().saturating_sub(LAST_LINES)..].join("\n")
        }
        Err(error) => format!("(its log {} cannot be read: {error})", log.display()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_quotes_the_end_of_a_log_and_not_all_of_it() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("log");
        let lines: Vec<String> = (0..100_000).map(|n| format!("line {n}")).collect();
        fs::write(&log, lines.join("\n")).unwrap();
        let quoted = last_lines(&log);
        assert_eq!(quoted.lines().count(), LAST_LINES);
        assert!(quoted.ends_with("line 99999"), "{quoted}");
    }

    #[test]
    fn a_guard_that_goes_kills_its_processes_and_removes_its_directory() {
        let dir = tempfile::tempdir().unwrap().keep();
        fs::write(dir.join("file"), "text").unwrap();
        let (processes, files) = (Guard::over_processes(&dir).unwrap(), Guard::over_directory(&dir).unwrap());
        let mut sleeper = processes.spawn(Command::new("sleep").arg("600")).unwrap();
        assert!(sleeper.try_wait().unwrap().is_none());
        drop(processes);
        assert!(!sleeper.wait().unwrap().success());
        drop(files);
        assert!(!dir.exists());
    }
}
