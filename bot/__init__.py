"""The shopping assistant, a Pipecat bot. It never imports the controller."""
