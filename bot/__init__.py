"""The shopping assistant, an ordinary Pipecat bot. It never imports the controller."""
