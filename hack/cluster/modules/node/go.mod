module ikemesh.example/hack/cluster/node

go 1.26.0
