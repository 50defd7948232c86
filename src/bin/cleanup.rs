//! `cleanup`: removes a queue that a killed run has left behind.
#![no_std]
#![no_main]
mq_sketch::program!(mq_sketch::programs::cleanup::PROGRAM);
