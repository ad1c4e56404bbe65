"""The Python peer with its two networks compiled (torch.compile): FEWLABELS_PEER names its file, options are its own.
  FEWLABELS_PEER=torch_mean_teacher.py fewlabels bench --peer bench/torch_compile_peer.py ...
"""
import os

path = os.environ["FEWLABELS_PEER"]
source = open(path).read()
ready = "student.train(); teacher.train()"
if source.count(ready) != 1:
    raise SystemExit(f"{path}: expected one line with {ready!r}, before which the networks are complete")
source = source.replace(ready, f"student.compile(); teacher.compile(); {ready}")
exec(compile(source, path, "exec"), {"__name__": "__main__", "__file__": path})
