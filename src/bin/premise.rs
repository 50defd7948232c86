//! `premise`: creates the queue, speaks first and last.
#![no_std]
#![no_main]
mq_sketch::program!(mq_sketch::programs::premise::PROGRAM);
