//! The server behind the proxies: as little work as possible, on processor 1.

use anyhow::Result;
use std::net::SocketAddr;
use std::sync::mpsc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Bytes of the body.
const BODY: usize = 128;
/// The path that is answered with [`LARGE_BODY`] bytes instead.
pub(super) const LARGE: &str = "/100k";
const LARGE_BODY: usize = 100 * 1024;

/// Answers every request with 200 and a body, for as long as the process lives.
#[derive(Debug)]
pub(super) struct Origin {
    pub(super) address: SocketAddr,
}

impl Origin {
    pub(super) fn start() -> Result<Self> {
        let (sender, receiver) = mpsc::channel();
        std::thread::spawn(move || {
            let outcome = run(|address| _ = sender.send(Ok(address)));
            if let Err(error) = outcome {
                let _ = sender.send(Err(error));
            }
        });
        Ok(Self { address: receiver.recv()?? })
    }
}

fn run(ready: impl FnOnce(SocketAddr)) -> Result<()> {
    pin_this_thread()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        ready(listener.local_addr()?);
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            // A connection that breaks is the proxy's business, which shows as a failed request.
            tokio::spawn(async move { serve(stream).await.ok() });
        }
    })
}

fn pin_this_thread() -> Result<()> {
    let mut processors = rustix::thread::CpuSet::new();
    processors.set(1);
    rustix::thread::sched_setaffinity(None, &processors)?;
    Ok(())
}

async fn serve(mut stream: TcpStream) -> std::io::Result<()> {
    let (small, large) = (answer(BODY), answer(LARGE_BODY));
    let mut input = Vec::with_capacity(4096);
    loop {
        if stream.read_buf(&mut input).await? == 0 {
            return Ok(());
        }
        // Requests have no body, and none is sent before the one ahead of it was answered.
        if input.ends_with(b"\r\n\r\n") {
            let path = input.split(|byte| *byte == b' ').nth(1);
            let answer = if path == Some(LARGE.as_bytes()) { &large } else { &small };
            stream.write_all(answer.as_bytes()).await?;
            input.clear();
        }
    }
}

fn answer(body: usize) -> String {
    format!(
        "HTTP/1.1 200 OK\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\nServer: origin\r\nContent-Type: text/plain\r\n\
         Content-Length: {body}\r\n\r\n{}",
        "x".repeat(body)
    )
}
