"""lm-evaluation-harness with transformers, one evaluation a line of stdin; the model is loaded once. For bench/evaluation.mjs."""
import json
import os
import resource
import sys
import time

model_path, tasks_folder, cache, threads, batch_size = sys.argv[1:6]
os.environ["HF_DATASETS_CACHE"] = cache
os.environ["HF_HUB_OFFLINE"] = "1"
import torch  # noqa: E402

torch.set_num_threads(int(threads))
import lm_eval  # noqa: E402
from lm_eval.models.huggingface import HFLM  # noqa: E402
from lm_eval.tasks import TaskManager  # noqa: E402

answers = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)
model = HFLM(pretrained=model_path, dtype="float32", device="cpu", batch_size=int(batch_size))
manager = TaskManager(include_path=tasks_folder, include_defaults=False)


def processor_seconds():
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


print("ready", file=answers, flush=True)
for line in sys.stdin:
    names, limit = json.loads(line)
    start, used = time.perf_counter(), processor_seconds()
    result = lm_eval.simple_evaluate(
        model=model, tasks=names, task_manager=manager, log_samples=True, bootstrap_iters=0, limit=limit, verbosity="ERROR"
    )
    seconds, used = time.perf_counter() - start, processor_seconds() - used
    samples = {
        f"{name} {sample['doc_id']}": [float(response[0]) for response in sample["filtered_resps"]]
        for name, each in result["samples"].items()
        for sample in each
    }
    print(json.dumps({"seconds": seconds, "processor": used, "samples": samples}), file=answers, flush=True)
