collect_ignore = ["ddp_reward_accuracy.py", "ddp_step.py", "ddp_test_split.py", "fsdp_step.py"]  # programs that tests start
