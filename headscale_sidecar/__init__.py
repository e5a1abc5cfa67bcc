"""The container beside Headscale: it keeps the API key and relays the admin channel.

Here live its settings, its one loop, its Kubernetes calls, the relay and the health endpoint. Here never live pulumi,
kr8s or Pydantic: the process has a budget of 40 MB, and each of them would spend it.

Who may reach what:

- The relay listens on loopback alone and asks for no key: every client that reaches it is an administrator of the
  tailnet. All containers of a pod share its loopback, so that is everybody who may forward ports into the pod or run a
  command in it, and **every container of the pod**, those added by `pod.containers` too. Add none that you would not
  give the API key to. (Source: https://kubernetes.io/docs/concepts/workloads/pods/#pod-networking)
- The health endpoint listens on every address, for kubelet asks at the pod's. Every client that reaches the pod may
  read whether it is ready, the reason where it is not, and the metrics; none of them holds a key. A NetworkPolicy may
  close it to everybody else: kubelet comes from the node itself.

Two threads run: the loop that keeps the key, and the one that serves all connections. Where either hangs or ends,
`/healthz` fails, or is not answered, and kubelet restarts the container.
"""
