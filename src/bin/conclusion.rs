//! `conclusion`: opens the queue and answers.
#![no_std]
#![no_main]
mq_sketch::program!(mq_sketch::programs::conclusion::PROGRAM);
