//! A child process that cannot outlive us: it leads a process group of its own in which a tiny watcher reads a pipe
//! whose other end only we hold. When we end, however (SIGKILL included), the pipe closes and the watcher
//! kills the group. (A parent-death signal would not do: it fires when the *thread* that started the child ends.)

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;

/// Runs the watcher in the background, then becomes the program: the child's pid is the program's own.
const WATCHED: &str = r#"
exec 3<&0 </dev/null
( exec >/dev/null 2>&1; cat <&3; kill -KILL 0 ) &
exec 3<&-
exec "$@"
"#;

/// Waits until we are gone, then removes the folder `$1`, for a few seconds should someone still write there.
const JANITOR: &str = r#"
cat >/dev/null
tries=0
while [ -e "$1" ] && [ $tries -lt 50 ]; do
  rm -rf -- "$1" 2>/dev/null && break
  tries=$((tries + 1))
  sleep 0.1
done
"#;

/// A running program with its log file. Dropping it kills the program and all it started.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    log: PathBuf,
    // Where in the file this run's log begins.
    log_start: usize,
    // Held, never written: its closing is the message.
    _lifeline: Option<ChildStdin>,
}

impl Process {
    /// Starts `program` with `args` and extra environment variables; its output is added to the file `log`.
    pub fn spawn<A: AsRef<OsStr>>(
        name: &str,
        program: &Path,
        args: impl IntoIterator<Item = A>,
        env: &[(&str, &str)],
        log: &Path,
    ) -> io::Result<Self> {
        let output = File::options().create(true).append(true).open(log)?;
        let log_start = usize::try_from(output.metadata()?.len()).unwrap_or(0);
        let mut child = Command::new("sh")
            .args(["-c", WATCHED, "watched"])
            .arg(program)
            .args(args)
            .envs(env.iter().copied())
            .stdin(Stdio::piped())
            .stdout(output.try_clone()?)
            .stderr(output)
            .process_group(0)
            .spawn()?;
        let lifeline = child.stdin.take();
        Ok(Self {
            name: name.to_owned(),
            child,
            log: log.to_owned(),
            log_start,
            _lifeline: lifeline,
        })
    }

    /// What the process is called in messages.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The program's process id, which is its process group too.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// All that the program has written since it was started here.
    pub fn log(&self) -> String {
        let bytes = std::fs::read(&self.log).unwrap_or_default();
        String::from_utf8_lossy(bytes.get(self.log_start..).unwrap_or_default()).into_owned()
    }

    /// The last `lines` lines of the log.
    pub fn log_tail(&self, lines: usize) -> String {
        let log = self.log();
        let all: Vec<&str> = log.lines().collect();
        all[all.len().saturating_sub(lines)..].join("\n")
    }

    /// The exit status, if the program has ended by itself.
    pub fn exited(&mut self) -> io::Result<Option<ExitStatus>> {
        self.child.try_wait()
    }

    /// Sends `signal` to the program alone (SIGTERM for a graceful stop, SIGSTOP and SIGCONT for a pause).
    pub fn signal(&self, signal: Signal) -> io::Result<()> {
        kill(self.group(), signal).map_err(io::Error::from)
    }

    /// Kills the program and all it started (SIGKILL) and waits for its end.
    pub fn kill(&mut self) {
        // The watcher keeps the group alive until now, so the id cannot belong to somebody else. The only
        // possible error is a group that is gone already.
        let _gone = killpg(self.group(), Signal::SIGKILL);
        let _reaped = self.child.wait();
    }

    fn group(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.child.id()).unwrap_or(i32::MAX))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Whether a process runs. One that ended and was not yet reaped by its parent does not.
pub fn is_running(pid: u32) -> bool {
    if let Ok(stat) = std::fs::read_to_string(format!("/proc/{pid}/stat")) {
        let state = stat.rsplit_once(") ").map(|(_, rest)| rest);
        return !state.is_some_and(|rest| rest.starts_with('Z'));
    }
    i32::try_from(pid).is_ok_and(|pid| kill(Pid::from_raw(pid), None).is_ok())
}

/// What a process has used so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    /// Processor time, user and system, of all its threads; in steps of 10 ms.
    pub cpu: Duration,
    /// Resident memory in bytes.
    pub resident_bytes: u64,
}

/// Reads what a running process has used; `None` where it is gone or the system has no `/proc`.
pub fn usage(pid: u32) -> Option<Usage> {
    /// The unit of times in `/proc`, fixed by the kernel's interface.
    const TICKS_PER_SECOND: u64 = 100;
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name may hold anything; what follows its closing parenthesis are numbers, from the state on.
    let (_, rest) = stat.rsplit_once(") ")?;
    let mut times = rest.split_whitespace().skip(11).map(str::parse::<u64>);
    let ticks = times.next()?.ok()? + times.next()?.ok()?;
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let resident = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = resident.split_whitespace().next()?.parse().ok()?;
    Some(Usage {
        cpu: Duration::from_millis(ticks * 1000 / TICKS_PER_SECOND),
        resident_bytes: kibibytes * 1024,
    })
}

/// A folder for one run, removed when this is dropped and also when our process dies in any other way.
#[derive(Debug)]
pub struct RunFolder {
    path: PathBuf,
    janitor: Option<Child>,
}

impl RunFolder {
    /// Makes a folder whose name begins with `prefix` below the system's folder for temporary files.
    /// With `keep` it stays for a person to look at.
    pub fn new(prefix: &str, keep: bool) -> io::Result<Self> {
        let path = tempfile::Builder::new().prefix(prefix).tempdir()?.keep();
        let mut folder = Self {
            path,
            janitor: None,
        };
        if !keep {
            let janitor = Command::new("sh")
                .args(["-c", JANITOR, "janitor"])
                .arg(&folder.path)
                .stdin(Stdio::piped())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .process_group(0)
                .spawn()?;
            folder.janitor = Some(janitor);
        }
        Ok(folder)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for RunFolder {
    fn drop(&mut self) {
        if let Some(janitor) = &mut self.janitor {
            drop(janitor.stdin.take());
            let _removed = janitor.wait();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::testkit::eventually;

    const LIMIT: Duration = Duration::from_secs(20);

    fn start(script: &str, folder: &RunFolder) -> Process {
        let log = folder.path().join("log");
        Process::spawn(
            "script",
            Path::new("sh"),
            ["-c", script],
            &[("WORD", "hello")],
            &log,
        )
        .unwrap()
    }

    #[tokio::test]
    async fn a_program_is_told_its_environment_and_its_end_and_log_are_seen() {
        let folder = RunFolder::new("firebell-process-", false).unwrap();
        let mut process = start("echo first; echo $WORD >&2; exit 3", &folder);
        let status = eventually("it ends", LIMIT, async || process.exited().unwrap())
            .await
            .unwrap();
        assert_eq!(status.code(), Some(3));
        assert_eq!(
            (process.log().as_str(), process.log_tail(1).as_str()),
            ("first\nhello\n", "hello")
        );
        let again = start("echo second", &folder);
        eventually("it writes", LIMIT, async || {
            (again.log() == "second\n").then_some(())
        })
        .await
        .unwrap();
    }

    #[tokio::test]
    async fn dropping_a_process_kills_its_children_too() {
        let folder = RunFolder::new("firebell-process-", false).unwrap();
        let process = start("sleep 1000 & echo $!; wait", &folder);
        let child: u32 = eventually("it tells its child", LIMIT, async || {
            process.log().trim().parse().ok()
        })
        .await
        .unwrap();
        assert!(is_running(process.pid()) && is_running(child));
        let leader = process.pid();
        drop(process);
        assert!(!is_running(leader));
        eventually("the child is gone", LIMIT, async || {
            (!is_running(child)).then_some(())
        })
        .await
        .unwrap();
    }

    #[tokio::test]
    async fn usage_grows_with_work_and_ends_with_the_process() {
        let folder = RunFolder::new("firebell-process-", false).unwrap();
        let process = start("while :; do :; done", &folder);
        let pid = process.pid();
        let busy = |usage: &Usage| usage.cpu >= Duration::from_millis(50);
        let used = eventually("it works", LIMIT, async || usage(pid).filter(busy))
            .await
            .unwrap();
        assert!(used.resident_bytes > 0);
        drop(process);
        assert_eq!(usage(pid), None);
    }

    #[test]
    fn a_folder_is_removed_with_all_in_it_unless_it_is_kept() {
        let folder = RunFolder::new("firebell-folder-", false).unwrap();
        let path = folder.path().to_owned();
        std::fs::create_dir_all(path.join("a/b")).unwrap();
        drop(folder);
        assert!(!path.exists());

        let kept = RunFolder::new("firebell-folder-", true).unwrap();
        let path = kept.path().to_owned();
        drop(kept);
        assert!(path.exists());
        std::fs::remove_dir(path).unwrap();
    }
}
