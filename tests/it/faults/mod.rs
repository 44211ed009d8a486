//! What holds when something breaks: requests that fail, programs that are killed, resources that go.

mod again;
mod backend;
mod beside;
mod chaos;
mod disks;
mod gone;
mod late;
mod readers;
mod reads;
mod seeded;
mod setup;
mod signals;
mod stopped;
mod stops;
mod submit;
mod terminals;
mod workers;
