#!/usr/bin/python3
"""The manifests of deploy/kubernetes against the schemas of Kubernetes, by kubernetes-validate. The MPI operator's own fields are
compared with those of its custom resource kubeflow.org/v2beta1; its pod templates are checked as pods."""
import os

import packages

packages.use("kubernetes")
import kubernetes_validate
import yaml

FOLDER = os.path.join(os.environ["LINNET_SOURCE"], "deploy", "kubernetes")
VERSIONS = "1.28", "1.31", "1.37"
SPEC = {"launcherCreationPolicy", "mpiImplementation", "mpiReplicaSpecs", "runPolicy", "slotsPerWorker", "sshAuthMountPath"}
RUN_POLICY = {"activeDeadlineSeconds", "backoffLimit", "cleanPodPolicy", "managedBy", "schedulingPolicy", "suspend",
              "ttlSecondsAfterFinished"}


def read(name):
    with open(os.path.join(FOLDER, name)) as f:
        return yaml.safe_load(f)


def refused(manifest):
    try:
        kubernetes_validate.validate(manifest, VERSIONS[-1], strict=True)
    except kubernetes_validate.ValidationError:
        return True
    return False


def main():
    job = read("job.yaml")
    for version in VERSIONS:
        kubernetes_validate.validate(job, version, strict=True)
    job["spec"]["template"]["spec"]["terminationGrace"] = 300
    assert refused(job), "an unknown field is accepted"

    mpi = read("mpijob.yaml")
    assert mpi["apiVersion"] == "kubeflow.org/v2beta1" and mpi["kind"] == "MPIJob"
    assert set(mpi) == {"apiVersion", "kind", "metadata", "spec"} and set(mpi["spec"]) <= SPEC
    assert set(mpi["spec"]["runPolicy"]) <= RUN_POLICY
    assert set(mpi["spec"]["mpiReplicaSpecs"]) == {"Launcher", "Worker"}
    for name, replica in mpi["spec"]["mpiReplicaSpecs"].items():
        assert set(replica) == {"replicas", "restartPolicy", "template"} and set(replica["template"]) == {"spec"}
        assert replica["restartPolicy"] in ("Always", "OnFailure", "Never", "ExitCode")
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name.lower()}, "spec": replica["template"]["spec"]}
        for version in VERSIONS:
            kubernetes_validate.validate(pod, version, strict=True)
    print("job.yaml and the pods of mpijob.yaml are valid for Kubernetes " + ", ".join(VERSIONS))


main()
