// The reference enforcer of NetworkPolicies, sigs.k8s.io/kube-network-policies, with a kubeconfig instead of a pod's own
// account. Its rule for nftables needs an expression that some kernels lack, and then does nothing: whoever starts this
// makes an iptables rule that hands the same packets to the same queue (testing/node/enforcement.py).
package main

import (
	"context"
	"flag"
	"os"
	"os/signal"
	"syscall"

	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/klog/v2"
	"sigs.k8s.io/kube-network-policies/pkg/networkpolicy"
)

func main() {
	klog.InitFlags(nil)
	kubeconfig := flag.String("kubeconfig", "", "how the cluster is reached")
	queue := flag.Int("nfqueue-id", 100, "the netfilter queue whose packets it judges")
	node := flag.String("hostname-override", "", "the node it is on")
	flag.Parse()
	if err := run(*kubeconfig, networkpolicy.Config{QueueID: *queue, NodeName: *node}); err != nil {
		klog.Error(err)
		os.Exit(1)
	}
}

func run(kubeconfig string, config networkpolicy.Config) error {
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	access, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return err
	}
	client, err := kubernetes.NewForConfig(access)
	if err != nil {
		return err
	}
	factory := informers.NewSharedInformerFactory(client, 0)
	controller, err := networkpolicy.NewController(
		client,
		factory.Networking().V1().NetworkPolicies(),
		factory.Core().V1().Namespaces(),
		factory.Core().V1().Pods(),
		// Nothing of the alpha policies for administrators.
		nil, nil, nil, nil,
		config,
	)
	if err != nil {
		return err
	}
	factory.Start(ctx.Done())
	return controller.Run(ctx)
}
