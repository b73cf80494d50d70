//! CPU time that a proxied request costs: ours beside Debian's HAProxy and nginx.
//!
//! Each proxy runs alone on processor 0 with one worker; the load (`wrk`) and the origin are on processor 1.
//! What counts is the processor time that the kernel charges to the proxy's process, divided by the requests
//! answered: it moves far less than requests per second when the machine is busy with other things. Rounds are
//! interleaved, so that a slow minute hits all three; the medians are reported.

mod origin;
mod subject;

use crate::{Report, Row, median};
use anyhow::{Context, Result, ensure};
use origin::Origin;
use serde_json::json;
use std::net::SocketAddr;
use std::process::Command;
use subject::Subject;

/// Connections that the load keeps open.
const CONNECTIONS: u32 = 128;
/// Seconds of load in a round.
const SECONDS: u32 = 4;
/// Name of the row, and what is asked for: many small answers, and such that do not fit into one read.
const WORKLOADS: [(&str, &str); 2] = [("h1-keepalive-128", "/"), ("h1-keepalive-100k", origin::LARGE)];
/// Rounds of each proxy.
const ROUNDS: usize = 7;

/// Measures, prints the table, writes `out/bench/proxy.json`.
///
/// # Errors
/// When a proxy, `wrk` or `taskset` is missing, a proxy does not start, or answers anything but 200.
pub fn run() -> Result<()> {
    let origin = Origin::start()?;
    let directory = tempfile::tempdir()?;
    let subjects = [
        Subject::evener(&directory.path().join("evener"), origin.address)?,
        Subject::haproxy(&directory.path().join("haproxy"), origin.address)?,
        Subject::nginx(&directory.path().join("nginx"), origin.address)?,
    ];
    let rows = WORKLOADS.iter().map(|(name, path)| measure(name, path, &subjects));
    Report::new("proxy", rows.collect::<Result<_>>()?).publish()
}

/// One row: what a request for `path` costs each.
fn measure(name: &'static str, path: &str, subjects: &[Subject; 3]) -> Result<Row> {
    for subject in subjects {
        load(subject.address, path, 1).with_context(|| format!("warming up {}", subject.name))?;
    }
    let mut costs = [const { Vec::new() }; 3];
    for round in 0..ROUNDS {
        for offset in 0..subjects.len() {
            // Nobody is always the first after the pause, or always behind the same neighbour.
            let index = (round + offset) % subjects.len();
            costs[index].push(subjects[index].cost_of(|address| load(address, path, SECONDS))?);
        }
    }
    let medians: Vec<f64> = costs.iter().filter_map(|costs| median(costs)).collect();
    let [ours, haproxy, nginx] = medians[..] else { anyhow::bail!("a proxy was not measured") };
    let best = haproxy.min(nginx);
    let round = |value: f64| json!((value * 100.0).round() / 100.0);
    let row = Row::new(name)
        .figure("ours", round(ours))
        .figure("haproxy", round(haproxy))
        .figure("nginx", round(nginx))
        .figure("ratio", round(ours / best));
    Ok(row)
}

/// Loads an address for some seconds. Gives the requests that were answered.
fn load(address: SocketAddr, path: &str, seconds: u32) -> Result<u64> {
    let output = Command::new("taskset")
        .args(["-c", "1", "wrk", "-t1", &format!("-c{CONNECTIONS}"), &format!("-d{seconds}s")])
        .arg(format!("http://{address}{path}"))
        .output()
        .context("starting wrk under taskset (Debian packages wrk, util-linux)")?;
    let text = String::from_utf8_lossy(&output.stdout);
    ensure!(output.status.success(), "wrk failed: {text}{}", String::from_utf8_lossy(&output.stderr));
    ensure!(!text.contains("Non-2xx") && !text.contains("Socket errors"), "requests failed: {text}");
    requests(&text).with_context(|| format!("wrk does not say how many requests were answered: {text}"))
}

/// From a line such as `  352786 requests in 4.00s, 61.56MB read`.
fn requests(text: &str) -> Option<u64> {
    let line = text.lines().find(|line| line.contains(" requests in "))?;
    line.trim_start().split(' ').next()?.parse().ok().filter(|requests| *requests > 0)
}

#[cfg(test)]
mod tests {
    use super::requests;

    #[test]
    fn the_count_of_requests_is_read_from_the_words_of_wrk() {
        assert_eq!(
            requests("Running\n  352786 requests in 4.00s, 61.56MB read\nRequests/sec: 1"),
            Some(352_786)
        );
        assert_eq!(requests("  0 requests in 4.00s, 0.00B read"), None);
        assert_eq!(requests("unable to connect"), None);
    }
}
